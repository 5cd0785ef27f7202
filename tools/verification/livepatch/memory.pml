/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One task, and a core whose stores become visible in each order that its barriers allow.
 *
 * Data that the core writes and a task reads without the lock is a location. Stores wait in a
 * buffer until they reach the memory: stores to one location in order, stores to different ones
 * in any order. A barrier of the core waits until the buffer is empty. A release leaves the
 * buffer after all older stores. Nothing else orders the core, locks included. A task reads
 * from the memory. Where it may read early, unless a barrier forbids it, the early read is a
 * separate step.
 *
 * The first patch changes f and g. The second one, always above it, changes only f. f calls g.
 * Both are enabled, disabled and reversed without end.
 *
 * -DCOND_RESCHED	the task also switches in cond_resched(), by the stack table, which is
 *			rebuilt once in each direction, as for a loaded module
 * -DONLY=...		stop only at violations of this property
 * -DBREAK_...		remove one barrier or wait; check.sh lists them
 * -DWITNESS=...	report one possible event as an error
 */

#define IDLE		0
#define UNPATCHED	1
#define PATCHED		2
#define other_state(s)	(3 - (s))

#define P1		1
#define P2		2
#define F		0
#define G		1

#define NOWHERE		0
#define code(v)		((v) + 1)

/* The locations. */
#define NEWEST(fn)	(fn)		/* klp_redirect.newest of f and of g */
#define TRANSITION(v, fn) (1 + (v) + 2 * (fn)) /* klp_rt_func.transition: 2 3 4 */
#define OLDER		5		/* klp_rt_func.older of f of the second patch */
#define STATE		6		/* patch_state */
#define TARGET		7		/* klp_target_state */
#define PENDING		8		/* TIF_PATCH_PENDING */
#ifdef COND_RESCHED
#define TABLE		9		/* klp_stack_table: which of the three it is */
#define RANGES(n)	(9 + (n))	/* what is in it: as IN() says, 0 before it is filled */
#define LOCATIONS	13
#else
#define LOCATIONS	9
#endif
/* Maximum number of pending stores: the core waits when there are more. */
#ifndef STORES
#define STORES		12
#endif

byte mem[LOCATIONS];
chan buffer = [STORES] of { byte, byte, bool };

/* Private variables of the core. */
byte newest[2];
byte patch;
byte target;
byte last_state;		/* that it has written */
byte states;			/* how many of these are on their way */
bool installed[3];
byte leaving[2];		/* code that tasks are to leave, as in the stack table */

/* The task. */
bool atomic_task;		/* preemption is disabled */
byte frame[2];			/* the code of f, and of g, that is on its stack */
byte entering;			/* the handler has chosen, the task is not there: fn + 1 */
byte holds;			/* the version that the handler has a pointer to */
bool waited_for;

bool one_universe = true;
bool safe_point = true;
bool none_left_behind = true;
bool nothing_freed_in_use = true;
bool flag_means_state = true;

#ifdef ONLY
#define VIOLATED(p)	p = false; assert(ONLY)
#else
#define VIOLATED(p)	p = false; assert(p)
#endif
#define CHECK(c, p)	if :: !(c) -> VIOLATED(p) :: else fi

#ifdef WITNESS
#define SEEN(what)	if :: WITNESS == what -> assert(false) :: else fi
#else
#define SEEN(what)	skip
#endif
#define AT_EXIT			1
#define IN_COND_RESCHED		2
#define ASKED_FOR_OLDER		3
#define OVERTAKEN		4
#define REVERSED		5

/* f of either patch goes with g of the first. */
#define agree(a, b)	((b) == ((a) == code(P2) -> code(P1) : (a)))
#define in_patch(v, fn)	((v) == P1 || (fn) == F)
#define below(v)	((v) - 1)
#define stack_empty	(frame[F] == NOWHERE && frame[G] == NOWHERE)
#define affected(fn)	(in_patch(patch, fn) && \
			 (frame[fn] == code(patch) || frame[fn] == code(below(patch))))
#define on_stack(fn, what) ((what) && frame[fn] && (entering == fn + 1 || frame[fn] == (what)))
#define stack_free(f_leaves, g_leaves) (!on_stack(F, f_leaves) && !on_stack(G, g_leaves))

/* ---- memory ---- */

#define STORE(where, what)	buffer ! where, what, false
/* A release, as in rcu_assign_pointer(): not before anything that was stored before it. */
#define RELEASE(where, what)	buffer ! where, what, true
/* smp_wmb(), or more */
#define BARRIER			empty(buffer)

/* A store may overtake others, but not one to the same location, and a release none. */
#define OVERTAKE(where) \
	d_step { \
		buffer ?? <where, what, ordered> -> \
		if \
		:: !ordered -> \
			buffer ?? where, mem[where], ordered; \
			stored(where); \
			SEEN(OVERTAKEN) \
		:: else \
		fi; \
		what = 0; \
		ordered = false \
	}
#define stored(where)	states = (where == STATE -> states - 1 : states)

active proctype Memory()
{
	byte where;
	byte what;
	bool ordered;

end:
	do
	:: d_step {
		buffer ? where, what, ordered ->
		mem[where] = what;
		stored(where);
		where = 0;
		what = 0;
		ordered = false
	   }
	:: OVERTAKE(0)
	:: OVERTAKE(1)
	:: OVERTAKE(2)
	:: OVERTAKE(3)
	:: OVERTAKE(4)
	:: OVERTAKE(5)
	:: OVERTAKE(6)
	:: OVERTAKE(7)
	:: OVERTAKE(8)
#ifdef COND_RESCHED
	:: OVERTAKE(9)
	:: OVERTAKE(10)
	:: OVERTAKE(11)
	:: OVERTAKE(12)
#endif
	od
}

/* ---- what the task does ---- */

inline preempt_enable()
{
	atomic_task = false;
	waited_for = false
}

/* klp_redirect_handler(), klp_redirect_call() */
inline klp_redirect_handler(fn)
{
	d_step {
		atomic_task = true;
#ifdef BREAK_HANDLER_RMB
		seen = mem[STATE];
#endif
	}
	holds = mem[NEWEST(fn)];
	if
	:: holds == 0
	:: holds && !mem[TRANSITION(holds, fn)]
	:: holds && mem[TRANSITION(holds, fn)] ->
		/* smp_rmb() */
#ifndef BREAK_HANDLER_RMB
		seen = mem[STATE];
#endif
		if
		:: seen == UNPATCHED ->
			SEEN(ASKED_FOR_OLDER);
			holds = (holds == P2 -> mem[OLDER] : 0)
		:: seen == PATCHED
		:: seen == IDLE -> VIOLATED(flag_means_state)
		fi
	fi;
	d_step {
		seen = 0;
		frame[fn] = code(holds);
		CHECK(!frame[F] || !frame[G] || agree(frame[F], frame[G]), one_universe);
		/* When all is quiet there is one version. */
		CHECK(patch || holds == newest[fn], none_left_behind);
		holds = 0;
		entering = fn + 1;
		preempt_enable()
	}
	entering = 0
}

/* The second half of klp_switch_pending_task() */
inline write_target()
{
#ifndef BREAK_CLEAR_NOT_ORDERED
	seen = mem[TARGET];
#endif
	d_step {
		CHECK(!affected(F) && !affected(G), safe_point);
		mem[STATE] = seen;
		seen = 0;
		preempt_enable()
	}
}

/* klp_update_patch_state(): test_and_clear_tsk_thread_flag() is one step, and a full barrier */
inline klp_update_patch_state()
{
#ifdef BREAK_CLEAR_NOT_ORDERED
	d_step {
		atomic_task = true;
		seen = mem[TARGET]
	}
	if
	:: d_step { mem[PENDING] -> mem[PENDING] = false }
		write_target()
	:: d_step {
		!mem[PENDING] ->
		seen = 0;
		preempt_enable()
	   }
	fi
#else
	d_step {
		mem[PENDING] ->
		mem[PENDING] = false;
		atomic_task = true;
		SEEN(AT_EXIT)
	}
	write_target()
#endif
}

#ifdef COND_RESCHED
inline leave_cond_resched()
{
	d_step {
		seen = 0;
		preempt_enable()
	}
}

/* __klp_sched_try_switch(), klp_switch_if_safe() */
inline klp_sched_try_switch()
{
#ifdef BREAK_COND_RESCHED_RMB
	d_step {
		atomic_task = true;
		seen = mem[TABLE]
	}
	seen = (mem[PENDING] -> seen : 0);
#else
	d_step {
		mem[PENDING] ->
		atomic_task = true
	}
	/* smp_rmb() */
	seen = mem[TABLE];
#endif
	/* klp_stack_check() */
	if
	:: seen == 0 -> leave_cond_resched()
	:: seen != 0 ->
		seen = mem[RANGES(seen)];
		if
		:: !stack_free(seen % 4, seen / 4) -> leave_cond_resched()
		:: stack_free(seen % 4, seen / 4) ->
			if
			:: d_step { mem[PENDING] -> mem[PENDING] = false }
				SEEN(IN_COND_RESCHED);
				write_target()
			:: d_step { !mem[PENDING] -> seen = 0; preempt_enable() }
			fi
		fi
	fi
}
#endif

active proctype Task()
{
	byte seen;

end:
	do
	:: !frame[F] && !frame[G] -> klp_redirect_handler(F)
	:: !frame[G] -> klp_redirect_handler(G)
	:: frame[G] -> frame[G] = NOWHERE
	:: frame[F] && !frame[G] -> frame[F] = NOWHERE
	:: stack_empty -> klp_update_patch_state()
#ifdef COND_RESCHED
	:: klp_sched_try_switch()
#endif
	od
}

/* ---- what the core does, with klp_mutex held ---- */

#define klp_state	(states -> last_state : mem[STATE])

inline klp_set_state(to)
{
	atomic {
		STORE(STATE, to);
		states++;
		last_state = to
	}
}

inline klp_redirect_synchronize()
{
#ifndef BREAK_WAIT_ORDERS_NOTHING
	BARRIER;
#endif
	waited_for = atomic_task;
	!waited_for
}

inline klp_set_transition_flags(on)
{
	STORE(TRANSITION(p, F), on);
	if
	:: in_patch(p, G) -> STORE(TRANSITION(p, G), on)
	:: else
	fi
}

inline klp_push_version(fn)
{
	if
	:: p == P2 -> STORE(OLDER, P1)
	:: else
	fi;
	newest[fn] = p;
	/* rcu_assign_pointer() */
#ifdef BREAK_PUSH_NOT_ORDERED
	STORE(NEWEST(fn), p)
#else
	RELEASE(NEWEST(fn), p)
#endif
}

/* rcu_assign_pointer() as well; but what it points to has been seen by everybody for long. */
inline klp_pop_version(fn)
{
	newest[fn] = below(p);
	STORE(NEWEST(fn), below(p))
}

inline klp_drop_stack_table()
{
#ifdef COND_RESCHED
	STORE(TABLE, 0)
#else
	skip
#endif
}

inline klp_make_stack_table()
{
	d_step {
		leaving[F] = code((target == UNPATCHED -> p : below(p)));
		leaving[G] = (in_patch(p, G) -> leaving[F] : NOWHERE)
	}
#ifdef COND_RESCHED
	/*
	 * Three tables are used in turn: a reader of a dropped one has left it before its next
	 * use.
	 */
	d_step {
		table = table % 3 + 1;
		mem[RANGES(table)] = 0
	}
	STORE(RANGES(table), leaving[F] + 4 * leaving[G]);
	/* rcu_assign_pointer() */
#ifdef BREAK_TABLE_NOT_ORDERED
	STORE(TABLE, table)
#else
	RELEASE(TABLE, table)
#endif
#endif
}

/* klp_switch_found(): the locks of the scheduler are between this and the task's next step. */
inline klp_try_switch_task()
{
#ifdef BREAK_SCHEDULER_ORDERS_NOTHING
	atomic {
		!atomic_task && mem[PENDING] && stack_free(leaving[F], leaving[G]) ->
		mem[PENDING] = false;
		klp_set_state(target)
	}
#else
	d_step {
		empty(buffer) && !atomic_task && mem[PENDING] &&
			stack_free(leaving[F], leaving[G]) ->
		mem[PENDING] = false;
		CHECK(!affected(F) && !affected(G), safe_point);
		mem[STATE] = target
	}
#endif
}

inline check_complete(to)
{
	d_step {
		CHECK(klp_state == to && !mem[PENDING], none_left_behind);
		CHECK(frame[F] != leaving[F] && (!leaving[G] || frame[G] != leaving[G]),
		      none_left_behind)
	}
}

active proctype Core()
{
	byte p;
	byte table;
	bool changed;

end_idle:
	if
	:: !installed[P1] -> p = P1
	:: installed[P1] && !installed[P2] -> p = P2
	:: installed[P1] && !installed[P2] -> p = P1; goto revert
	:: installed[P2] -> p = P2; goto revert
	fi;

	/* klp_apply_patch() */
	installed[p] = true;
	target = PATCHED;
	goto begin;

revert:	/* klp_revert_patch() */
	target = UNPATCHED;

begin:	/* klp_transition_init() */
	patch = p;
	STORE(TARGET, target);
	klp_set_state(other_state(target));
	/* smp_wmb() */
#ifndef BREAK_INIT_WMB
	BARRIER;
#endif
	klp_set_transition_flags(true);
	if
	:: target == PATCHED ->
		klp_push_version(F);
		if
		:: in_patch(p, G) -> klp_push_version(G)
		:: else
		fi
	:: else
	fi;

start:	/* klp_transition_start() */
	klp_make_stack_table();
	/* smp_wmb() */
#ifndef BREAK_START_WMB
	BARRIER;
#endif
	/* klp_set_pending() */
	if
	:: klp_state != target -> STORE(PENDING, true)
	:: else
	fi;
	changed = false;

pass:	/* klp_transition_try_complete() */
	if
	:: klp_try_switch_task()
	:: true
	fi;
	if
	:: klp_state == target && target == PATCHED -> goto patched
	:: klp_state == target && target == UNPATCHED -> goto unpatched
	:: klp_state != target -> goto pass
#ifdef COND_RESCHED
	:: klp_state != target && !changed ->
		/* klp_transition_object_changed() */
		changed = true;
		klp_drop_stack_table();
		klp_make_stack_table();
		goto pass
#endif
	:: klp_state != target
	fi;

	/* klp_transition_reverse() */
	SEEN(REVERSED);
	STORE(PENDING, false);
#ifndef BREAK_REVERSE_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
	klp_drop_stack_table();
	target = other_state(target);
	STORE(TARGET, target);
	goto start;

unpatched: /* klp_transition_complete() */
	klp_drop_stack_table();
	klp_pop_version(F);
	if
	:: in_patch(p, G) -> klp_pop_version(G)
	:: else
	fi;
#ifndef BREAK_UNPATCHED_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
	klp_set_transition_flags(false);
	check_complete(UNPATCHED);
	klp_set_state(IDLE);
	/* klp_retire_patch(): another one will have memory of its own */
	d_step {
		CHECK(holds != p, nothing_freed_in_use);
		CHECK(frame[F] != code(p) && frame[G] != code(p), nothing_freed_in_use);
		installed[p] = false;
		if
		:: p == P2 -> mem[OLDER] = 0
		:: else
		fi
	}
	goto finished;

patched: /* klp_transition_complete() */
	klp_drop_stack_table();
	klp_set_transition_flags(false);
#ifndef BREAK_PATCHED_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
	check_complete(PATCHED);
	klp_set_state(IDLE);

finished: /* klp_transition_finished() */
	target = IDLE;
	STORE(TARGET, IDLE);
	d_step {
		patch = 0;
		p = 0;
		changed = false;
		leaving[F] = NOWHERE;
		leaving[G] = NOWHERE
	}
	goto end_idle
}
