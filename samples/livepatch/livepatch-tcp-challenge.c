// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-tcp-challenge - a function and the global data that belongs to it change together
 *
 * What it teaches: choosing the callback that changes a global value, and giving the value back.
 *
 * The model is commit 75ff39ccc1bd ("tcp: make challenge acks less predictable").  All connections
 * took their challenge ACKs from one counter, so somebody who used up what the counter allowed
 * could tell from the answers on a connection of his own what went on in other people's.  Linux
 * 6.12 has taken the limit away by default, and with it what protects the host from being made to
 * send ACKs without end.  This patch puts a limit back and does without the common counter: the
 * new tcp_send_challenge_ack() counts by groups of connections that nobody outside can choose, with
 * a budget that is drawn anew each second.
 *
 * The limit is the sysctl net.ipv4.tcp_challenge_ack_limit.  With the old function a finite limit
 * is just the leak, so it must not be there while any task still runs the old one: it is set in
 * post_patch, when every task runs the new function, and taken back in pre_unpatch, before the
 * first task returns to the old one.  pre_patch and post_unpatch would be right for a value that
 * the old function can live with and the new one cannot do without.  A patching that is reversed
 * never reaches post_patch and leaves the sysctl alone.
 *
 * A value that the administrator has written meanwhile is his, and stays.
 *
 * Atomic replace runs no callback of the patch that leaves, so the sysctl stays as it is then.
 * The system state below makes this safe: a patch that replaces this one has to declare the state
 * too or is refused, and finds the value to go back to in klp_get_prev_state(id)->data.
 *
 * Connection requests in SYN-RECEIVED, whose ACKs another function sends, keep the old counter,
 * now for themselves.  Only the first network namespace's limit is changed.
 *
 *	modprobe livepatch-tcp-challenge
 *	sysctl net.ipv4.tcp_challenge_ack_limit			# 1000
 *	echo 0 > /sys/kernel/livepatch/livepatch_tcp_challenge/enabled
 *	sysctl net.ipv4.tcp_challenge_ack_limit			# as it was
 */
#define pr_fmt(fmt) "livepatch_tcp_challenge: " fmt

#include <linux/livepatch.h>
#include <linux/random.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

/* The number means this change in all versions of the patch, and nothing else in any patch. */
#define CHALLENGE_STATE		0x75ff39cc

static int limit = 1000;
module_param(limit, int, 0444);
MODULE_PARM_DESC(limit, "challenge ACKs a second for each group of connections");

/* Connections are spread over these by a number that was drawn for each of them. */
static struct challenge_budget {
	unsigned long second;
	u32 left;
} budgets[256];

static struct klp_state states[] = {
	{ .id = CHALLENGE_STATE, .version = 1 },
	{ }
};

/* Not exact when processors meet here, and need not be. */
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

/* What comes before the common counter stays: the limit of each connection by itself. */
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
 * tcp_send_ack() is not exported, and what it calls is, but takes a third argument only since some
 * release of 6.12.y.
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

/* Static in tcp_input.c, but called from several places there: the compiler keeps it a function. */
static void challenge_send_ack(struct sock *sk)
{
	if (challenge_too_soon(sk) || !challenge_allowed(sk))
		return;
	NET_INC_STATS(sock_net(sk), LINUX_MIB_TCPCHALLENGEACK);
	challenge_send(sk);
}

static void set_limit(struct klp_object *obj)
{
	int old = xchg(&init_net.ipv4.sysctl_tcp_challenge_ack_limit, limit);

	states[0].data = (void *)(long)old;
	pr_info("tcp_challenge_ack_limit: %d, was %d\n", limit, old);
}

static void restore_limit(struct klp_object *obj)
{
	int old = (long)states[0].data;
	int found = cmpxchg(&init_net.ipv4.sysctl_tcp_challenge_ack_limit, limit, old);

	if (found == limit)
		pr_info("tcp_challenge_ack_limit: %d again\n", old);
	else
		pr_info("tcp_challenge_ack_limit: %d, set by somebody else, stays\n", found);
}

static struct klp_func challenge_funcs[] = {
	{ .old_name = "tcp_send_challenge_ack", .new_func = challenge_send_ack },
	{ }
};

static struct klp_object objects[] = {
	{
		.funcs = challenge_funcs,
		.callbacks = {
			.post_patch = set_limit,
			.pre_unpatch = restore_limit,
		},
	},
	{ }
};

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
