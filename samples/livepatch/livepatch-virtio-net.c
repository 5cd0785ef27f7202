// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-virtio-net - existing devices, and devices that are probed later
 *
 * Technique: changing the result of a probe function. A new probe function alone does not
 * change existing devices, and a callback that walks these does not change later ones. Both are
 * needed, without a gap.
 *
 * The model is commit 48900cb6af42 ("virtio-net: drop NETIF_F_FRAGLIST"): the driver offered a
 * feature that it did not have. Linux 6.12 offers to switch rx-gro-hw for a device that cannot
 * receive large packets. Switching it on fails, because the device refuses, and ethtool shows
 * "off [requested on]" afterwards. This patch removes the feature from such devices.
 *
 * virtnet_probe() is long, and a copy would need symbols that only the driver has. The patch
 * replaces virtio_config_driver_disable(), which is short, uses symbols that modules may use,
 * belongs to the virtio core and is called on the probe path of virtio-net and by no other
 * driver.
 *
 * No device is missed: probe registers the device and then calls that function, in one section
 * under the RTNL, and post_patch walks the devices under the RTNL. All tasks run the new
 * function by then, so a probe that has called the old one is in its section or after it.
 * post_patch waits for the end of the section and finds the device. A later probe calls the new
 * function. Handling a device twice is harmless. pre_patch would be wrong: a device that the
 * old function probes after its walk would be missed.
 *
 * The counterpart is post_unpatch: then no task removes the feature any longer. It also runs
 * after a patching that was reversed, during which a device may have been probed. It decides as
 * the probe of the driver does, and needs no record of the changed devices. Requests of users
 * are not restored: the device had refused them.
 *
 * Callbacks run under klp_mutex, which each load of a module takes. The team driver loads
 * modules under the RTNL. On a system with that driver a callback must not wait for the RTNL,
 * see "Locks" in Documentation/livepatch/callbacks.rst.
 *
 * An atomic replace runs no callback of the replaced patch, so the devices stay without the
 * feature. A new patch that contains this change has nothing else to do. Another one has to
 * restore the feature in its post_patch.
 *
 *	ethtool -k eth0 | grep rx-gro-hw	# rx-gro-hw: off
 *	modprobe livepatch-virtio-net
 *	ethtool -k eth0 | grep rx-gro-hw	# rx-gro-hw: off [fixed]
 */
#define pr_fmt(fmt) "livepatch_virtio_net: " fmt

#include <linux/livepatch.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/net_namespace.h>

/* The device has negotiated none of the features that rx-gro-hw switches. */
static bool gro_hw_is_idle(struct virtio_device *vdev)
{
	static const unsigned int switched[] = {
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,
		VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(switched); i++) {
		if (virtio_has_feature(vdev, switched[i]))
			return false;
	}
	return virtio_has_feature(vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
}

static void withdraw_gro_hw(struct net_device *dev, struct virtio_device *vdev)
{
	if (!(dev->hw_features & NETIF_F_GRO_HW) || !gro_hw_is_idle(vdev))
		return;

	/* Switch it off first: a feature that cannot be switched keeps its value. */
	dev->wanted_features &= ~NETIF_F_GRO_HW;
	netdev_update_features(dev);
	if (dev->features & NETIF_F_GRO_HW) {
		netdev_warn(dev, "rx-gro-hw cannot be switched off and stays\n");
		return;
	}
	dev->hw_features &= ~NETIF_F_GRO_HW;
	pr_info("%s: rx-gro-hw withdrawn\n", netdev_name(dev));
}

static void offer_gro_hw(struct net_device *dev, struct virtio_device *vdev)
{
	if ((dev->hw_features & NETIF_F_GRO_HW) || !gro_hw_is_idle(vdev))
		return;

	dev->hw_features |= NETIF_F_GRO_HW;
	pr_info("%s: rx-gro-hw offered again\n", netdev_name(dev));
}

/* Call a function for the device @only, or for all virtio-net devices if it is NULL. */
static void for_virtio_net(struct virtio_device *only,
			   void (*change)(struct net_device *dev, struct virtio_device *vdev))
{
	struct net_device *dev;
	struct net *net;

	ASSERT_RTNL();
	down_read(&net_rwsem);
	for_each_net(net) {
		for_each_netdev(net, dev) {
			struct device *parent = dev->dev.parent;

			/* The driver stays bound to its device while the device is registered. */
			if (!parent || !parent->driver ||
			    strcmp(parent->driver->name, "virtio_net"))
				continue;
			if (!only || parent == &only->dev)
				change(dev, dev_to_virtio(parent));
		}
	}
	up_read(&net_rwsem);
}

static void new_config_driver_disable(struct virtio_device *vdev)
{
	spin_lock_irq(&vdev->config_lock);
	vdev->config_driver_disabled = true;
	spin_unlock_irq(&vdev->config_lock);

	/* Also called when a device is closed, under the RTNL too, without an effect. */
	if (vdev->id.device == VIRTIO_ID_NET)
		for_virtio_net(vdev, withdraw_gro_hw);
}

static void withdraw_from_all(struct klp_object *obj)
{
	rtnl_lock();
	for_virtio_net(NULL, withdraw_gro_hw);
	rtnl_unlock();
}

static void offer_to_all(struct klp_object *obj)
{
	rtnl_lock();
	for_virtio_net(NULL, offer_gro_hw);
	rtnl_unlock();
}

static struct klp_func gro_hw_funcs[] = {
	{ .old_name = "virtio_config_driver_disable", .new_func = new_config_driver_disable },
	{ }
};

static struct klp_object objects[] = {
	{
		/* The module of the function. virtio_net itself may be loaded and unloaded. */
		.name = IS_MODULE(CONFIG_VIRTIO) ? "virtio" : NULL,
		.funcs = gro_hw_funcs,
		.callbacks = {
			.post_patch = withdraw_from_all,
			.post_unpatch = offer_to_all,
		},
	},
	{ }
};

static struct klp_patch gro_hw_patch = {
	.objs = objects,
	.mod = THIS_MODULE,
};

static int __init virtio_net_fix_init(void)
{
	return klp_enable_patch(&gro_hw_patch);
}

static void __exit virtio_net_fix_exit(void)
{
}

module_init(virtio_net_fix_init);
module_exit(virtio_net_fix_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: existing devices and later ones");
MODULE_LICENSE("GPL");
