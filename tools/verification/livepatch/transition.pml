/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tasks that are switched from one version of two functions to another.
 *
 * f calls g. Both may be called from elsewhere. Two patches are enabled, disabled, reversed and
 * forced without end, and tasks call, sleep, fork and exit in any order. Steps are interleaved.
 * Memory is in order: memory.pml models the rest.
 *
 * -DTASKS=n	tasks at the start
 * -DSLOTS=n	maximum number of tasks; if it is more than TASKS, they fork and exit
 * -DREPLACE	the second patch changes f only and replaces the first, so g gets a nop
 * -DFORCE	transitions may be forced
 * -DNEVER_REFUSED no patch is vetoed
 * -DLIVE	for the claim at the end: each task has one safe point, and calls only g from f;
 *		a transition is reversed at most once
 * -DFIRST=...	with -DLIVE: kind of the first task, USER, SLEEPER or BUSY. The next task is of the
 *		next kind
 * -DONLY=...	stop only at violations of this property
 * -DBREAK_...	leave out or change one step; check.sh lists them
 * -DWITNESS=...	report one possible event as an error
 */

#ifndef TASKS
#define TASKS		2
#endif
#ifndef SLOTS
#define SLOTS		TASKS
#endif

/* patch_state of a task, and klp_target_state */
#define IDLE		0
#define UNPATCHED	1
#define PATCHED		2
#define other_state(s)	(3 - (s))

/* A version of a function is named after the patch that it is from, 0 is NULL. */
#define P1		1
#define P2		2
#define F		0
#define G		1
#define rt(v, fn)	(2 * (v) + (fn))	/* index of a struct klp_rt_func */
#define slot(t, fn)	(2 * (t) + (fn))

/* The code that a task runs, on its stack or in a table of what may not be there. */
#define NOWHERE		0
#define code(v, fn)	(is_nop(v, fn) -> 1 : (v) + 1)

#ifdef REPLACE
#define is_nop(v, fn)	((v) == P2 && (fn) == G && has_nop)
#define replaced(v, by)	((by) == P2 && (v) == P1 && installed[v] && top == (by))
#define in_patch(v, fn)	((v) == P1 || (fn) == F || has_nop)
/* Of f in the second patch, the original g is part. */
#define agree(a, b)	((b) == ((a) == code(P2, F) -> code(0, G) : (a)))
#else
#define is_nop(v, fn)	false
#define in_patch(v, fn)	true
#define agree(a, b)	((a) == (b))
#endif

/* Per function, and per version of a function. */
byte newest[2];			/* klp_redirect.newest */
byte older[6];			/* klp_rt_func.older */
bool transition[6];		/* klp_rt_func.transition */
bool has_nop;			/* the second patch was given one */

/* Per patch. */
bool installed[3];		/* on the stack of patches */
byte top;			/* the one that was put there last */
bool forced[3];			/* klp_rt_patch.forced: the module stays */

byte target;			/* klp_target_state */
byte patch;			/* klp_transition_patch */
byte table[2];			/* klp_stack_table: code that may not be on a stack */
bool have_table;

/* Per task. */
bool listed[SLOTS];		/* on the list that tasklist_lock protects */
bool born[SLOTS];		/* on its way there, or there */
bool pending[SLOTS];		/* TIF_PATCH_PENDING */
byte state[SLOTS];		/* patch_state */
bool atomic_task[SLOTS];	/* preemption is disabled, so it is running */
byte frame[2 * SLOTS];		/* the code of f, and of g, that is on its stack */
byte entering[SLOTS];		/* the handler has chosen, the task is not there: fn + 1 */
byte holds[SLOTS];		/* the handler has a pointer to this version */
byte holds_of[SLOTS];		/* of this function */
bool excused[SLOTS];		/* it was forced while it was in f or g */

byte waited_for;		/* tasks that klp_redirect_synchronize() waits for */

/* The properties. They are true until a check says otherwise. */
bool one_universe = true;	/* no task has functions on its stack that do not go together */
bool safe_point = true;		/* no task is switched while it runs what changes */
bool none_left_behind = true;	/* a transition that is over is over for every task */
bool nothing_freed_in_use = true; /* what is freed is on no stack, and no handler has it */
bool flag_means_state = true;	/* who sees a flag does not see IDLE */
bool nop_is_known = true;	/* no handler takes a nop for code */

#ifdef ONLY
#define VIOLATED(p)	p = false; assert(ONLY)
#else
#define VIOLATED(p)	p = false; assert(p)
#endif
#define CHECK(c, p)	if :: !(c) -> VIOLATED(p) :: else fi

#define stack_empty(t)	(frame[slot(t, F)] == NOWHERE && frame[slot(t, G)] == NOWHERE)

/* klp_find_range(): code that is left behind, or the way into a function of the patch */
#ifdef BREAK_NO_ENTRY_RANGE
#define in_table(t, fn)	(table[fn] && frame[slot(t, fn)] == table[fn] && entering[t] != fn + 1)
#else
#define in_table(t, fn)	(table[fn] && frame[slot(t, fn)] && \
			 (entering[t] == fn + 1 || frame[slot(t, fn)] == table[fn]))
#endif
/* klp_stack_check() */
#define stack_free(t)	(!in_table(t, F) && !in_table(t, G))

/* For the checks: true if the task is in a version of a function that the patch changes. */
#define affected(t, fn)	(in_patch(patch, fn) && \
			 (frame[slot(t, fn)] == code(patch, fn) || \
			  frame[slot(t, fn)] == code(older[rt(patch, fn)], fn)))

#ifdef WITNESS
#define SEEN(what)	if :: WITNESS == what -> assert(false) :: else fi
#else
#define SEEN(what)	skip
#endif
#define AT_EXIT			1
#define BY_STACK_CHECK		2
#define IN_COND_RESCHED		3
#define IN_ANOTHER_FUNCTION	4
#define HELD_BY_STACK		5
#define ASKED_FOR_OLDER		6
#define BORN_UNSWITCHED		7
#define CALLED_A_NOP		8
#define REPLACED_ONE		9
#define STANDS_ABOVE_REPLACING	10
#define RUNS_FORCED_CODE	11

/* ---- what a task does ---- */

inline preempt_enable(t)
{
	atomic_task[t] = false;
	excused[t] = excused[t] && !stack_empty(t);
	waited_for = waited_for & ~(1 << t)
}

/* klp_redirect_handler(), klp_redirect_call(): one read a step */
inline klp_redirect_handler(t, fn)
{
	d_step {
#ifndef BREAK_HANDLER_PREEMPTIBLE
		atomic_task[t] = true;
#endif
		holds_of[t] = fn;
		holds[t] = newest[fn];
	}
	if
	:: holds[t] == 0
	:: holds[t] != 0 && !transition[rt(holds[t], fn)] ->
		CHECK(!is_nop(holds[t], fn), nop_is_known)
	:: holds[t] != 0 && transition[rt(holds[t], fn)] ->
		/* Anything but UNPATCHED stands for the newer version. */
		if
		:: state[t] == UNPATCHED ->
			SEEN(ASKED_FOR_OLDER);
			holds[t] = older[rt(holds[t], fn)]
		:: state[t] == PATCHED
		:: state[t] == IDLE -> VIOLATED(flag_means_state)
		fi;
		if
		:: is_nop(holds[t], fn) -> SEEN(CALLED_A_NOP)
		:: else
		fi
	fi;
	d_step {
		frame[slot(t, fn)] = code(holds[t], fn);
		if
		:: frame[slot(t, F)] && frame[slot(t, G)] && !excused[t] ->
			CHECK(agree(frame[slot(t, F)], frame[slot(t, G)]), one_universe)
		:: else
		fi;
		/* When all is quiet there is one version. */
		CHECK(patch || holds[t] == newest[fn], none_left_behind);
		holds[t] = 0;
		holds_of[t] = 0;
		entering[t] = fn + 1;
		preempt_enable(t)
	}
	/* The task may be preempted here, between the handler and the function. */
	entering[t] = 0
}

inline return_from(t, fn)
{
	frame[slot(t, fn)] = NOWHERE;
	excused[t] = excused[t] && !stack_empty(t)
}

/* The second half of klp_switch_pending_task(), for current; the flag has been cleared. */
inline write_target(t)
{
	seen = target;
	d_step {
		CHECK(excused[t] || (!affected(t, F) && !affected(t, G)), safe_point);
		state[t] = seen;
		seen = 0;
		preempt_enable(t)
	}
}

/* klp_update_patch_state(): on the way to user space nothing is on the stack */
inline klp_update_patch_state(t)
{
	d_step {
		pending[t] && stack_empty(t);
#ifndef BREAK_SWITCH_PREEMPTIBLE
		atomic_task[t] = true;
#endif
		pending[t] = false
	}
	SEEN(AT_EXIT);
	write_target(t)
}

/* __klp_sched_try_switch(): in cond_resched(), wherever that is called */
inline klp_sched_try_switch(t)
{
	d_step {
		pending[t];
		atomic_task[t] = true
	}
	if
#ifdef BREAK_COND_RESCHED_UNCHECKED
	:: have_table ->
#else
	:: have_table && stack_free(t) ->
#endif
		if
		:: d_step { pending[t] -> pending[t] = false }
			SEEN(IN_COND_RESCHED);
			write_target(t)
		:: d_step { !pending[t] -> preempt_enable(t) }
		fi
#ifdef BREAK_COND_RESCHED_UNCHECKED
	:: d_step { !have_table -> preempt_enable(t) }
#else
	:: d_step { !(have_table && stack_free(t)) -> preempt_enable(t) }
#endif
	fi
}

/* dup_task_struct(); klp_copy_process() and the list, with tasklist_lock held */
inline copy_process(t, child)
{
	d_step {
		!born[child];
		born[child] = true;
		pending[child] = pending[t];
		state[child] = state[t]
	}
	d_step {
#ifndef BREAK_FORK_NO_FLAG
		pending[child] = pending[t];
#endif
#ifndef BREAK_FORK_NO_STATE
		state[child] = state[t];
#endif
#ifndef BREAK_FORK_UNLOCKED
		listed[child] = true
#endif
	}
#ifdef BREAK_FORK_UNLOCKED
	listed[child] = true;
#endif
	if
	:: pending[child] -> SEEN(BORN_UNSWITCHED)
	:: else
	fi
}

inline do_exit(t)
{
	d_step {
		stack_empty(t);
		listed[t] = false;
		born[t] = false;
		pending[t] = false;
		state[t] = IDLE
	}
}

#ifdef LIVE
#define USER		0	/* has nothing but its way to user space */
#define SLEEPER		1	/* sleeps between calls until it has been switched */
#define BUSY		2	/* has nothing but cond_resched() */
#ifndef FIRST
#define FIRST		USER
#endif
#define KIND(t)		((t) + FIRST)
#ifdef BREAK_PASS_FINDS_NOBODY
#define seen_by_pass(t)	false
#else
#define seen_by_pass(t)	(KIND(t) == SLEEPER)
#endif

proctype Task(byte t)
{
	byte seen;

end:
	do
	:: klp_redirect_handler(t, F);
		klp_redirect_handler(t, G);
		return_from(t, G);
		return_from(t, F);
		if
		:: KIND(t) == USER ->
			if
			:: pending[t] -> klp_update_patch_state(t)
			:: else
			fi
		:: KIND(t) == BUSY ->
			if
			:: pending[t] -> klp_sched_try_switch(t)
			:: else
			fi
		:: KIND(t) == SLEEPER -> !pending[t]
		fi
	od
}
#else
#define seen_by_pass(t)	true

proctype Task(byte t)
{
	byte seen;

end:
	listed[t];
	do
	:: !frame[slot(t, F)] && !frame[slot(t, G)] -> klp_redirect_handler(t, F)
	:: !frame[slot(t, G)] -> klp_redirect_handler(t, G)
	:: d_step { frame[slot(t, G)] -> return_from(t, G) }
	:: d_step { frame[slot(t, F)] && !frame[slot(t, G)] -> return_from(t, F) }
	:: klp_update_patch_state(t)
	:: klp_sched_try_switch(t)
#if SLOTS > TASKS
	:: stack_empty(t) && !born[0] -> copy_process(t, 0)
	:: stack_empty(t) && !born[SLOTS - 1] -> copy_process(t, SLOTS - 1)
	:: do_exit(t) -> goto end
#endif
	od
}
#endif

/* ---- what the core does, with klp_mutex held ---- */

/* No handler that has begun before is still under way afterwards. */
inline klp_redirect_synchronize()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			waited_for = waited_for | (atomic_task[i] << i)
		}
		i = 0
	}
	waited_for == 0
}

/*
 * The walks of klp_walk_tasks(). tasklist_lock is held meanwhile, so no task comes
 * or goes, and each task looks at nothing but itself: the walk is one step.
 */
inline klp_set_initial_state()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			state[i] = (listed[i] -> other_state(target) : state[i])
		}
		i = 0
	}
}

inline klp_set_idle_state()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			state[i] = (listed[i] -> IDLE : state[i])
		}
		i = 0
	}
}

inline klp_set_pending()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			pending[i] = pending[i] || (listed[i] && state[i] != target)
		}
		i = 0
	}
}

inline klp_clear_pending()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			pending[i] = pending[i] && !listed[i]
		}
		i = 0
	}
}

inline klp_force_task()
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			if
			:: listed[i] && pending[i] ->
				pending[i] = false;
				state[i] = target;
				excused[i] = !stack_empty(i) || atomic_task[i]
			:: else
			fi
		}
		i = 0
	}
}

inline klp_set_transition_flags(v, fn, on)
{
#ifdef BREAK_NOP_FLAG_DROPPED
	transition[rt(v, fn)] = on && in_patch(v, fn)
#else
	transition[rt(v, fn)] = (on || is_nop(v, fn)) && in_patch(v, fn)
#endif
}

inline klp_push_version(v, fn)
{
	if
	:: in_patch(v, fn) ->
		older[rt(v, fn)] = newest[fn];
		newest[fn] = v
	:: else
	fi
}

/* Two versions are the most there are. */
inline klp_pop_version(v, fn)
{
	if
	:: newest[fn] == v -> newest[fn] = older[rt(v, fn)]
	:: newest[fn] != v && newest[fn] && older[rt(newest[fn], fn)] == v ->
		older[rt(newest[fn], fn)] = older[rt(v, fn)]
	:: else
	fi
}

inline klp_set_code_range(v, fn, to)
{
	if
	:: !in_patch(v, fn) -> table[fn] = NOWHERE
	:: in_patch(v, fn) && to == UNPATCHED -> table[fn] = code(v, fn)
	:: in_patch(v, fn) && to == PATCHED -> table[fn] = code(older[rt(v, fn)], fn)
	fi
}

/* A handler, or a task without it on its stack, cannot find it any longer. */
inline klp_retire_patch(v)
{
	for (i : 0 .. SLOTS - 1) {
		CHECK(holds[i] != v, nothing_freed_in_use);
		if
		:: frame[slot(i, F)] == v + 1 -> SEEN(RUNS_FORCED_CODE)
		:: else
		fi;
		CHECK(forced[v] ||
		      (frame[slot(i, F)] != v + 1 && frame[slot(i, G)] != v + 1),
		      nothing_freed_in_use)
	}
	i = 0;
	CHECK(newest[F] != v && newest[G] != v, nothing_freed_in_use);
	older[rt(v, F)] = 0;
	older[rt(v, G)] = 0;
	installed[v] = false;
	top = (top == v -> 0 : top)
}

inline klp_rt_drop_nops()
{
#ifdef REPLACE
	d_step {
		for (i : 0 .. SLOTS - 1) {
			CHECK(!has_nop || !(holds[i] == P2 && holds_of[i] == G),
			      nothing_freed_in_use)
		}
		i = 0;
		if
		:: has_nop ->
			older[rt(P2, G)] = 0;
			transition[rt(P2, G)] = false
		:: else
		fi;
		has_nop = false
	}
#else
	skip
#endif
}

/* Properties of each task at the end of a transition to this state. */
inline check_complete(to)
{
	d_step {
		for (i : 0 .. SLOTS - 1) {
			if
			:: listed[i] ->
				CHECK(state[i] == to && !pending[i], none_left_behind);
				CHECK(excused[i] || cancelled ||
				      ((!table[F] || frame[slot(i, F)] != table[F]) &&
				       (!table[G] || frame[slot(i, G)] != table[G])),
				      none_left_behind)
			:: else
			fi
		}
		i = 0
	}
}

#define switched(t)	(!listed[t] || state[t] == target)
#if SLOTS == 1
#define klp_all_tasks_switched	switched(0)
#elif SLOTS == 2
#define klp_all_tasks_switched	(switched(0) && switched(1))
#else
#define klp_all_tasks_switched	(switched(0) && switched(1) && switched(2))
#endif

inline klp_transition_init(to)
{
	patch = p;
	target = to;
#ifndef BREAK_FLAG_BEFORE_STATE
	klp_set_initial_state();
#endif
	d_step { klp_set_transition_flags(p, F, true) }
	d_step { klp_set_transition_flags(p, G, true) }
#ifdef BREAK_FLAG_BEFORE_STATE
	klp_set_initial_state();
#endif
}

/* klp_switch_if_safe() of a task that does not run, and cannot as long as this takes. */
inline klp_switch_found(t)
{
	d_step {
		if
		:: pending[t] ->
			pending[t] = false;
			SEEN(BY_STACK_CHECK);
			if
			:: !stack_empty(t) && !excused[t] -> SEEN(IN_ANOTHER_FUNCTION)
			:: else
			fi;
			CHECK(excused[t] || (!affected(t, F) && !affected(t, G)), safe_point);
			state[t] = target
		:: else
		fi
	}
}

active proctype Core()
{
	byte p;			/* the patch of the request */
	byte i;
	bool cancelled;
#ifdef BREAK_NO_FINAL_PASS
	bool left;
#endif
#ifdef LIVE
	bool reversed;
#endif

	atomic {
		for (i : 0 .. SLOTS - 1) {
			listed[i] = i >= SLOTS - TASKS;
			born[i] = listed[i];
			run Task(i)
		}
		i = 0
	}

end_idle:
	if
	:: !installed[P1] -> p = P1
	:: !installed[P2] -> p = P2
	:: installed[P1] -> p = P1; goto revert
	:: installed[P2] -> p = P2; goto revert
	fi;

	/* klp_enable_patch(): klp_rt_add_nops(), klp_apply_patch() */
#ifdef REPLACE
	has_nop = (p == P2 && installed[P1]);
#endif
	installed[p] = true;
	top = p;
	klp_transition_init(PATCHED);
	if
	:: true
#ifndef NEVER_REFUSED
	:: goto cancel		/* pre_patch of an object vetoes */
#endif
	fi;
#ifdef BREAK_PENDING_BEFORE_REDIRECT
	klp_set_pending();
#endif
	d_step { klp_push_version(p, F) }
	if
	:: true
#ifndef NEVER_REFUSED
	:: goto cancel		/* the next object cannot be redirected */
#endif
	fi;
	d_step { klp_push_version(p, G) }
	goto start;

revert:	/* klp_revert_patch() */
	klp_transition_init(UNPATCHED);

start:	/* klp_transition_start(), klp_make_stack_table() */
	skip;
	d_step {
		if
		:: !have_table ->
			klp_set_code_range(p, F, target);
			klp_set_code_range(p, G, target);
			have_table = true
		:: else
		fi
	}
	klp_set_pending();

pass:	/* klp_transition_try_complete() */
#ifdef BREAK_NO_FINAL_PASS
	left = false;
#endif
	i = 0;
	do
	:: i < SLOTS ->
		/* klp_try_switch_task() */
		if
#ifdef BREAK_PASS_UNCHECKED
		:: seen_by_pass(i) && listed[i] && !atomic_task[i] -> klp_switch_found(i)
#elif defined(BREAK_CHECK_WHILE_IT_RUNS)
		:: seen_by_pass(i) && listed[i] && stack_free(i) -> klp_switch_found(i)
#else
		:: atomic {
			seen_by_pass(i) && listed[i] && !atomic_task[i] && stack_free(i) ->
			klp_switch_found(i)
		   }
#endif
#ifdef BREAK_NO_FINAL_PASS
		:: left = left || (listed[i] && state[i] != target)
#elif defined(LIVE)
		:: !seen_by_pass(i) || atomic_task[i] || !stack_free(i)
#else
		:: listed[i] && pending[i] && !stack_free(i) -> SEEN(HELD_BY_STACK)
		:: true		/* it runs, or is not there */
#endif
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	if
#ifdef BREAK_NO_FINAL_PASS
	:: !left ->
#else
	:: klp_all_tasks_switched ->
#endif
		if
		:: target == PATCHED -> goto patched
		:: target == UNPATCHED -> goto unpatched
		fi
	:: else
	fi;
	/* klp_schedule_retry(): until then the lock is free */
	if
	:: goto pass
#ifdef LIVE
	:: !reversed -> reversed = true
#else
	:: true
#endif
#ifdef FORCE
	:: goto force
#endif
	fi;

	/* klp_transition_reverse() */
#ifndef BREAK_REVERSE_KEEPS_PENDING
	klp_clear_pending();
#endif
#ifndef BREAK_REVERSE_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
#ifndef BREAK_OLD_STACK_TABLE
	have_table = false;
#endif
	target = other_state(target);
	goto start;

#ifdef FORCE
force:	/* klp_transition_force(), klp_mark_forced() */
	klp_force_task();
#ifndef BREAK_FORCED_CODE_FREED
	if
	:: target == UNPATCHED -> forced[p] = true
#ifdef REPLACE
	:: target == PATCHED && replaced(P1, p) -> forced[P1] = true
#endif
	:: else
	fi;
#endif
	goto pass;
#endif

cancel:	/* klp_transition_cancel() */
	cancelled = true;

unpatched: /* klp_transition_complete(), klp_unredirect_patch() */
	have_table = false;
#ifdef BREAK_FLAG_CLEARED_BEFORE_WAIT
	d_step { klp_set_transition_flags(p, F, false) }
	d_step { klp_set_transition_flags(p, G, false) }
#endif
	d_step { klp_pop_version(p, F) }
	d_step { klp_pop_version(p, G) }
#ifdef BREAK_IDLE_BEFORE_WAIT
	check_complete(UNPATCHED);
	klp_set_idle_state();
#endif
#ifndef BREAK_UNPATCHED_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
	d_step { klp_set_transition_flags(p, F, false) }
	d_step { klp_set_transition_flags(p, G, false) }
#ifndef BREAK_IDLE_BEFORE_WAIT
	check_complete(UNPATCHED);
	klp_set_idle_state();
#endif
	d_step {
		klp_retire_patch(p);
#ifdef REPLACE
		has_nop = false;
#endif
	}
	goto finished;

patched: /* klp_transition_complete() */
	have_table = false;
#ifdef REPLACE
	if
	:: p == P2 ->
		/* klp_unredirect_replaced() */
		if
		:: installed[P1] && !replaced(P1, p) -> SEEN(STANDS_ABOVE_REPLACING)
		:: replaced(P1, p) ->
			SEEN(REPLACED_ONE);
			d_step { klp_pop_version(P1, F) }
			d_step { klp_pop_version(P1, G) }
		:: else
		fi;
		if
		:: has_nop -> d_step { klp_pop_version(P2, G) }
		:: else
		fi
	:: else
	fi;
#endif
#ifdef BREAK_NOP_FREED_BEFORE_WAIT
	klp_rt_drop_nops();
#endif
#ifdef BREAK_IDLE_BEFORE_WAIT
	check_complete(PATCHED);
	klp_set_idle_state();
#endif
	d_step { klp_set_transition_flags(p, F, false) }
	d_step { klp_set_transition_flags(p, G, false) }
#ifndef BREAK_PATCHED_WITHOUT_WAIT
	klp_redirect_synchronize();
#endif
#ifndef BREAK_IDLE_BEFORE_WAIT
	check_complete(PATCHED);
#endif
#ifdef REPLACE
	if
	:: p == P2 ->
		klp_rt_drop_nops()
	:: else
	fi;
#endif
#ifndef BREAK_IDLE_BEFORE_WAIT
	klp_set_idle_state();
#endif
#ifdef REPLACE
	if
#ifdef BREAK_RETIRES_WHAT_IS_ABOVE
	:: p == P2 && installed[P1] -> d_step { klp_retire_patch(P1) }
#else
	:: replaced(P1, p) -> d_step { klp_retire_patch(P1) }
#endif
	:: else
	fi;
#endif

finished: /* klp_transition_finished() */
	target = IDLE;
	d_step {
		patch = 0;
		table[F] = NOWHERE;
		table[G] = NOWHERE;
		cancelled = false;
#ifdef LIVE
		reversed = false;
#endif
		p = 0
	}
	goto end_idle
}

#ifdef LIVE
/* Every transition can end once tasks reach a safe point. */
ltl every_transition_ends { [] <> (patch == 0) }
#endif
