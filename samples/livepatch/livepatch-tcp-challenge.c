// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-tcp-challenge - a function and its global data change together
 *
 * Technique: selecting the callback that changes a global value, and restoring the value.
 *
 * The model is commit 75ff39ccc1bd ("tcp: make challenge acks less predictable"). All
 * connections used one counter of challenge ACKs. A peer that used up the counter learned from
 * the answers on its own connection about other connections. Linux 6.12 has no limit by
 * default, and so no protection against sending ACKs without end. This patch sets a limit and
 * does not use the common counter: the new tcp_send_challenge_ack() counts in groups of
 * connections that a peer cannot choose, with a random budget per second.
 *
 * The limit is the sysctl net.ipv4.tcp_challenge_ack_limit. With the old function a finite
 * limit is the leak, so it must not be set while any task runs the old function: post_patch
 * sets it, when all tasks run the new one, and pre_unpatch restores it, before the first task
 * returns to the old one. pre_patch and post_unpatch would be right for a value that the old
 * function tolerates and the new one needs. A patching that is reversed never reaches
 * post_patch and does not change the sysctl.
 *
 * A value that the administrator has written meanwhile stays.
 *
 * The value to restore is the data of a system state, and the callbacks are those of the state:
 * a new version of the patch that has the state inherits both, and a patch without the state
 * that replaces this one restores the value.
 *
 * Linux 6.12 has no states with callbacks. There the callbacks are those of vmlinux. An atomic
 * replace runs no callback of the replaced patch, so the sysctl stays, and a patch that replaces
 * this one has to have the state or is refused: it finds the value to restore in
 * klp_get_prev_state(CHALLENGE_STATE)->data. KLP_HAVE_STATE_CALLBACKS tells the two apart, so
 * that the source compiles for both kernels.
 *
 * Connection requests in SYN-RECEIVED, whose ACKs another function sends, keep the old counter.
 * Only the limit of the first network namespace is changed.
 *
 *	modprobe livepatch-tcp-challenge
 *	sysctl net.ipv4.tcp_challenge_ack_limit			# 1000
 *	echo 0 > /sys/kernel/livepatch/livepatch_tcp_challenge/enabled
 *	sysctl net.ipv4.tcp_challenge_ack_limit			# the old value
 */
#define pr_fmt(fmt) "livepatch_tcp_challenge: " fmt

#include <linux/livepatch.h>
#include <linux/random.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

/* The number of this change in all versions of the patch. No other patch uses it. */
#define CHALLENGE_STATE		0x75ff39cc

static int limit = 1000;
module_param(limit, int, 0444);
MODULE_PARM_DESC(limit, "challenge ACKs a second for each group of connections");

/* Connections are assigned to these by a random number that each of them has. */
static struct challenge_budget {
	unsigned long second;
	u32 left;
} budgets[256];

/* Concurrent calls may be miscounted, which is harmless. */
static bool challenge_allowed(struct sock *sk)
{
	int max = READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_challenge_ack_limit);
	struct challenge_budget *budget;
	unsigned long now = jiffies / HZ;
	u32 left;

	if (max == INT_MAX)
		return true;
	if (max <= 0)
		return false;

	budget = &budgets[READ_ONCE(sk->sk_txhash) % ARRAY_SIZE(budgets)];
	if (READ_ONCE(budget->second) != now) {
		WRITE_ONCE(budget->second, now);
		WRITE_ONCE(budget->left, max / 2 + 1 + get_random_u32_below(max));
	}

	left = READ_ONCE(budget->left);
	if (!left)
		return false;
	WRITE_ONCE(budget->left, left - 1);
	return true;
}

/* The limit per connection, which the old function checks first, stays. */
static bool challenge_too_soon(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 last = READ_ONCE(tp->last_oow_ack_time);
	s32 elapsed = tcp_jiffies32 - last;

	if (last && elapsed >= 0 && elapsed < READ_ONCE(net->ipv4.sysctl_tcp_invalid_ratelimit)) {
		NET_INC_STATS(net, LINUX_MIB_TCPACKSKIPPEDCHALLENGE);
		return true;
	}
	WRITE_ONCE(tp->last_oow_ack_time, tcp_jiffies32);
	return false;
}

/*
 * tcp_send_ack() is not exported. Its callee is, with a third argument since some release of
 * 6.12.y.
 */
static void challenge_send(struct sock *sk)
{
	void (*send)(struct sock *sk, u32 rcv_nxt) = (void *)__tcp_send_ack;
	void (*send_flags)(struct sock *sk, u32 rcv_nxt, u16 flags) = (void *)__tcp_send_ack;

	if (__same_type(&__tcp_send_ack, send))
		send(sk, tcp_sk(sk)->rcv_nxt);
	else
		send_flags(sk, tcp_sk(sk)->rcv_nxt, 0);
}

/* Static in tcp_input.c, but called from several places, so the compiler does not inline it. */
static void challenge_send_ack(struct sock *sk)
{
	if (challenge_too_soon(sk) || !challenge_allowed(sk))
		return;
	NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPCHALLENGEACK);
	challenge_send(sk);
}

static void set_limit(struct klp_state *state)
{
	int old = xchg(&init_net.ipv4.sysctl_tcp_challenge_ack_limit, limit);

	state->data = (void *)(long)old;
	pr_info("tcp_challenge_ack_limit: %d, was %d\n", limit, old);
}

static void restore_limit(struct klp_state *state)
{
	int old = (long)state->data;
	int found = cmpxchg(&init_net.ipv4.sysctl_tcp_challenge_ack_limit, limit, old);

	if (found == limit)
		pr_info("tcp_challenge_ack_limit: %d again\n", old);
	else
		pr_info("tcp_challenge_ack_limit: %d, changed by others, stays\n", found);
}

static struct klp_func challenge_funcs[] = {
	{ .old_name = "tcp_send_challenge_ack", .new_func = challenge_send_ack },
	{ }
};

#ifdef KLP_HAVE_STATE_CALLBACKS

static void state_post_patch(struct klp_patch *patch, struct klp_state *state)
{
	set_limit(state);
}

static void state_pre_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	restore_limit(state);
}

static struct klp_state states[] = {
	{
		.id = CHALLENGE_STATE,
		.version = 1,
		.callbacks = {
			.post_patch = state_post_patch,
			.pre_unpatch = state_pre_unpatch,
		},
	},
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = challenge_funcs },
	{ }
};

#else /* Linux 6.12 */

static struct klp_state states[] = {
	{ .id = CHALLENGE_STATE, .version = 1 },
	{ }
};

static void vmlinux_post_patch(struct klp_object *obj)
{
	set_limit(&states[0]);
}

static void vmlinux_pre_unpatch(struct klp_object *obj)
{
	restore_limit(&states[0]);
}

static struct klp_object objects[] = {
	{
		.funcs = challenge_funcs,
		.callbacks = {
			.post_patch = vmlinux_post_patch,
			.pre_unpatch = vmlinux_pre_unpatch,
		},
	},
	{ }
};

#endif

static struct klp_patch challenge_patch = {
	.objs = objects,
	.states = states,
	.mod = THIS_MODULE,
};

static int __init challenge_init(void)
{
	return klp_enable_patch(&challenge_patch);
}

static void __exit challenge_exit(void)
{
}

module_init(challenge_init);
module_exit(challenge_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: a function and its sysctl");
MODULE_LICENSE("GPL");
