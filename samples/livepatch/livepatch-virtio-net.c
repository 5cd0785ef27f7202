// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-virtio-net - devices that are there, and devices that come later
 *
 * What it teaches: changing what a probe function has set up.  A new probe function alone does
 * nothing for the devices that exist, and a callback that walks those does nothing for the next.
 * Both are needed, and between the two no device may slip through.
 *
 * The model is commit 48900cb6af42 ("virtio-net: drop NETIF_F_FRAGLIST"): the driver offered a
 * feature that it could not do.  In Linux 6.12 it offers to switch rx-gro-hw also for a device that
 * cannot receive large packets at all.  Who switches it on gets an error, because the device
 * refuses, and ethtool says "off [requested on]" from there on.  This patch withdraws the feature
 * from such devices.
 *
 * What is patched: virtnet_probe() is long, and a copy of it would need what only the driver can
 * reach.  virtio_config_driver_disable() is short, has symbols that modules may use, belongs to
 * the virtio core and is called on the probe path of virtio-net and by no other driver.
 *
 * Why no device slips through: probe registers the device and then calls that function, both in
 * one section under the RTNL, and post_patch walks the devices under the RTNL.  Every task runs the
 * new function by then, so a probe that met the old one has entered its section before; post_patch
 * waits for the section to end and finds the device.  A probe that comes later meets the new one.
 * To be treated twice does no harm.  pre_patch would be wrong: a device that is probed by the old
 * function after its walk is missed.
 *
 * The counterpart is post_unpatch: only then does nobody take the feature away any more.  It runs
 * for a patching that was reversed as well, and some device may have been probed during that.
 * It decides as the driver's probe does and so needs no memory of what was taken from whom.
 * What somebody had requested is not restored: the device had refused it.
 *
 * One thing to know before doing likewise: callbacks run under the lock of the livepatch core, and
 * every module that is loaded takes that lock.  The team driver loads modules under the RTNL; on a
 * system that uses it a callback must not wait for the RTNL, see "Locks" in
 * Documentation/livepatch/callbacks.rst.
 *
 * Atomic replace runs no callback of the patch that leaves, so the devices stay without the
 * feature.  A patch that takes over and contains this change has nothing to do but to contain it;
 * one that does not has to give the feature back in its own post_patch.
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

/* Nothing of what rx-gro-hw would switch has been negotiated. */
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

	/* Off first: what cannot be switched keeps the value that it has. */
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

/* One virtio-net device, or all when @only is NULL. */
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

			/* The driver stays with its device as long as that is registered. */
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

	/* Also called when a device is taken down, under the RTNL too; it changes nothing then. */
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
		/* Where the function is; virtio_net itself may come and go as it likes. */
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
