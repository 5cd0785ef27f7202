/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owed callbacks, while two patches and a module are loaded and unloaded.
 *
 * Both patches change vmlinux and the module. The second one replaces the first one when it is
 * enabled above it. Requests, completions, loads and unloads go on without end, and each step
 * that can be refused is sometimes refused. The position of tasks does not matter here: a
 * transition ends at any time, so a forced one is like any other. Hooks are not modelled:
 * patch_hooks run with a pre_patch that succeeds, unpatch_hooks with post_unpatch.
 *
 * Code under klp_mutex is one step, except for the states of the module, which the loader
 * changes without the lock.
 *
 * -DNOPS	the second patch describes vmlinux only; the core adds the object of the module
 * -DONLY=...	stop only at violations of this property
 * -DBREAK_...	leave out or change one step; check.sh lists them
 */

#define UNPATCHED	1
#define PATCHED		2
#define other_state(s)	(3 - (s))

#define P1		1
#define P2		2
#define V		0	/* vmlinux */
#define M		1	/* the module */
#define ob(v, o)	(2 * (v) + (o))

/* State of an object: enum klp_object_state, and the callbacks that have run. */
#define NOTHING		0
#define PREPARED	1
#define LIVE		2

byte owed[6];			/* klp_rt_object.state */
byte ran[6];			/* by the callbacks that have been run */
bool redirected[6];		/* klp_rt_object.patched */
bool found[6];			/* klp_rt_object.mod is set */

byte order[2];			/* the stack of patches, the oldest first */
byte patch;			/* klp_transition_patch */
byte target;			/* klp_target_state */
bool has_nops;			/* the second patch has a module object of the core's making */

/* State of the module: found by find_module(), klp_alive, and code that may run. */
bool listed;
bool alive;
bool usable;

bool once_per_arrival = true;	/* no callback is run but when it is due */
bool only_while_loaded = true;	/* none is run for a module that is not there */
bool nothing_lost = true;	/* what is owed has been run when the object or the patch goes */
bool redirected_in_between = true; /* pre_patch, post_unpatch: not redirected; the others: yes */
bool nothing_freed_in_use = true; /* a module or patch that is freed is not redirected */
bool none_runs_unpatched = true; /* a module under a patch is redirected */

#ifdef ONLY
#define VIOLATED(p)	p = false; assert(ONLY)
#else
#define VIOLATED(p)	p = false; assert(p)
#endif
#define CHECK(c, p)	if :: !(c) -> VIOLATED(p) :: else fi

#define installed(v)	(order[0] == (v) || order[1] == (v))
#define is_below(v, by)	(order[0] == (v) && order[1] == (by))
#ifdef BREAK_NOT_LOADED
#define loaded(v, o)	true
#else
#define loaded(v, o)	((o) == V || found[ob(v, o)])	/* klp_object_loaded() */
#endif

#ifdef NOPS
#define described(v, o)	((v) == P1 || (o) == V)
#define has(v, o)	(described(v, o) || has_nops)
#else
#define described(v, o)	true
#define has(v, o)	true
#endif

#ifdef WITNESS
#define SEEN(what)	if :: WITNESS == what -> assert(false) :: else fi
#else
#define SEEN(what)	skip
#endif
#define LEFT_IN_TRANSITION	1
#define LEFT_WHEN_LIVE		2
#define CAME_IN_TRANSITION	3
#define REFUSED_BY_THE_SECOND	4
#define REPLACED_WITH_MODULE	5
#define VETOED_WHEN_PREPARED	6
#define STANDS_ABOVE_REPLACING	7

/* ---- callbacks.c ---- */

inline called(v, o, before, after, with)
{
	CHECK(ran[ob(v, o)] == before, once_per_arrival);
	CHECK(redirected[ob(v, o)] == with, redirected_in_between);
	CHECK(o == V || listed, only_while_loaded);
	ran[ob(v, o)] = after
}

inline klp_callbacks_prepare(v, o)
{
	failed = false;
	if
	:: owed[ob(v, o)] == NOTHING ->
		if
		:: described(v, o) -> failed = true	/* pre_patch vetoes */
		:: true ->
			owed[ob(v, o)] = PREPARED;
			if
			:: described(v, o) -> called(v, o, NOTHING, PREPARED, false)
			:: else
			fi
		fi
	:: else
	fi
}

inline klp_callbacks_publish(v, o)
{
	if
	:: owed[ob(v, o)] == PREPARED ->
		owed[ob(v, o)] = LIVE;
		CHECK(patch != v || completing, once_per_arrival);
		if
		:: described(v, o) -> called(v, o, PREPARED, LIVE, true)
		:: else
		fi
	:: else
	fi
}

inline klp_callbacks_withdraw(v, o)
{
	if
#ifdef BREAK_WITHDRAW_UNASKED
	:: owed[ob(v, o)] != NOTHING ->
#else
	:: owed[ob(v, o)] == LIVE ->
#endif
		owed[ob(v, o)] = PREPARED;
		if
		:: described(v, o) -> called(v, o, LIVE, PREPARED, true)
		:: else
		fi
	:: else
	fi
}

inline klp_callbacks_release(v, o)
{
	if
#ifdef BREAK_RELEASE_UNASKED
	:: true ->
#else
	:: owed[ob(v, o)] == PREPARED ->
#endif
		owed[ob(v, o)] = NOTHING;
		if
		:: described(v, o) -> called(v, o, PREPARED, NOTHING, false)
		:: else
		fi
#ifndef BREAK_RELEASE_UNASKED
	:: else
#endif
	fi
}

inline klp_callbacks_forget(v, o)
{
#ifndef BREAK_NOT_FORGOTTEN
	owed[ob(v, o)] = NOTHING;
#endif
	/* Another patch has taken over. */
	ran[ob(v, o)] = NOTHING
}

/* ---- redirect.c ---- */

inline klp_redirect_object(v, o)
{
	CHECK(!redirected[ob(v, o)], redirected_in_between);
	if
	:: failed = true
	:: failed = false;
		redirected[ob(v, o)] = true
	fi
}

/* ---- core.c and transition.c ---- */

/* The walk over the objects of a patch, in the order of the description. */
#define FOR_BOTH(v, what) \
	what(v, V); \
	if \
	:: has(v, M) -> what(v, M) \
	:: else \
	fi

inline apply(v, o)
{
	if
	:: !failed && loaded(v, o) ->
		klp_callbacks_prepare(v, o);
		if
		:: !failed -> klp_redirect_object(v, o)
		:: else
		fi
	:: else
	fi
}

inline unredirect(v, o)
{
	redirected[ob(v, o)] = false
}

inline publish(v, o)
{
	if
	:: loaded(v, o) -> klp_callbacks_publish(v, o)
	:: else
	fi
}

inline release(v, o)
{
	if
	:: loaded(v, o) -> klp_callbacks_release(v, o)
	:: else
	fi
}

/* klp_retire_patch(), klp_park_patch(): it may come back as it is, if it is persistent */
inline klp_retire_patch(v)
{
	order[0] = (order[0] == v -> order[1] : order[0]);
	order[1] = (order[1] == v || order[0] == order[1] -> 0 : order[1]);
	CHECK(owed[ob(v, V)] == NOTHING && owed[ob(v, M)] == NOTHING, nothing_lost);
	CHECK(ran[ob(v, V)] == NOTHING && ran[ob(v, M)] == NOTHING, nothing_lost);
	CHECK(!redirected[ob(v, V)] && !redirected[ob(v, M)], nothing_freed_in_use);
	found[ob(v, M)] = false
}

#define right(v, o)	(redirected[ob(v, o)] && \
			 (!described(v, o) || ran[ob(v, o)] == LIVE || patch == (v)))
#define clean(v, o)	(!redirected[ob(v, o)] && ran[ob(v, o)] == NOTHING)

/* Properties of a patch while the lock is free. */
inline check_patch(v)
{
	if
	:: installed(v) ->
		CHECK(right(v, V), nothing_lost);
		CHECK(!usable || !described(v, M) || right(v, M), none_runs_unpatched);
		CHECK(alive || clean(v, M), nothing_lost)
	:: else ->
		CHECK(clean(v, V) && clean(v, M), nothing_lost)
	fi
}

inline unlock()
{
	check_patch(P1);
	check_patch(P2);
	failed = false
}

/* klp_transition_complete(), klp_transition_finished() */
inline complete_patched(v)
{
	completing = true;
	if
	:: v == P2 && is_below(P2, P1) -> SEEN(STANDS_ABOVE_REPLACING)
	:: v == P2 && is_below(P1, P2) ->
		/* klp_unredirect_replaced() */
		FOR_BOTH(P1, unredirect);
		klp_callbacks_forget(P1, V);
		klp_callbacks_forget(P1, M);
		if
		:: alive -> SEEN(REPLACED_WITH_MODULE)
		:: else
		fi
	:: else
	fi;
#ifdef NOPS
	if
	:: v == P2 && has_nops ->
		unredirect(P2, M);
		/* klp_rt_drop_nops() */
		has_nops = false;
		owed[ob(P2, M)] = NOTHING;
		found[ob(P2, M)] = false
	:: else
	fi;
#endif
	FOR_BOTH(v, publish);
	patch = 0;
	target = 0;
	completing = false;
	if
#ifdef BREAK_RETIRES_WHAT_IS_ABOVE
	:: v == P2 && installed(P1) -> klp_retire_patch(P1)
#else
	:: v == P2 && is_below(P1, P2) -> klp_retire_patch(P1)
#endif
	:: else
	fi
}

inline complete_unpatched(v)
{
#ifdef BREAK_RELEASE_WHILE_REDIRECTED
	FOR_BOTH(v, release);
	FOR_BOTH(v, unredirect);
#else
	FOR_BOTH(v, unredirect);
	FOR_BOTH(v, release);
#endif
	patch = 0;
	target = 0;
	klp_retire_patch(v);
	has_nops = (v == P2 -> false : has_nops)
}

/* klp_install_patch(), klp_apply_patch(): from a module's init, or again by sysfs */
inline klp_enable(v)
{
	has_nops = (v == P2 -> installed(P1) : has_nops);
	/* klp_rt_find_module() */
#ifdef BREAK_FINDS_WHAT_IS_NOT_ALIVE
	found[ob(v, M)] = listed && has(v, M);
#else
	found[ob(v, M)] = alive && has(v, M);
#endif
	if
	:: order[0] -> order[1] = v
	:: else -> order[0] = v
	fi;
	patch = v;
	target = PATCHED;
	FOR_BOTH(v, apply);
	if
	:: failed ->
		/* klp_transition_cancel() */
		if
		:: redirected[ob(v, V)] -> SEEN(VETOED_WHEN_PREPARED)
		:: else
		fi;
		complete_unpatched(v)
	:: else
	fi
}

/* klp_revert_patch() */
inline klp_disable(v)
{
	patch = v;
	target = UNPATCHED;
#ifndef BREAK_NOT_WITHDRAWN
	FOR_BOTH(v, klp_callbacks_withdraw)
#endif
}

/* Requests, and the worker that ends transitions. */
active proctype Core()
{
	bool failed;
	bool completing;

end:
	do
	:: atomic { !patch && !installed(P1) -> klp_enable(P1); unlock() }
	:: atomic { !patch && !installed(P2) -> klp_enable(P2); unlock() }
	:: atomic { !patch && installed(P1) -> klp_disable(P1); unlock() }
	:: atomic { !patch && installed(P2) -> klp_disable(P2); unlock() }
	:: atomic {
		/* klp_transition_reverse() */
		patch ->
		target = other_state(target);
#ifdef BREAK_REVERSE_PUBLISHES
		if
		:: target == PATCHED && patch == P1 -> FOR_BOTH(P1, publish)
		:: else
		fi;
#endif
		unlock()
	   }
	:: atomic { patch == P1 && target == PATCHED -> complete_patched(P1); unlock() }
	:: atomic { patch == P2 && target == PATCHED -> complete_patched(P2); unlock() }
	:: atomic { patch == P1 && target == UNPATCHED -> complete_unpatched(P1); unlock() }
	:: atomic { patch == P2 && target == UNPATCHED -> complete_unpatched(P2); unlock() }
	od
}

/* ---- module.c ---- */

inline klp_apply_to_module(v)
{
	if
	:: !failed && v && has(v, M) ->
		found[ob(v, M)] = true;
		if
		:: failed = true		/* klp_symbols_resolve() */
		:: klp_callbacks_prepare(v, M);
			if
			:: !failed ->
				klp_redirect_object(v, M);
				if
#ifndef BREAK_NOT_RELEASED_WHEN_REFUSED
				:: failed -> klp_callbacks_release(v, M)
#endif
				:: else
				fi
			:: else
			fi
		fi;
		if
		:: failed ->
			found[ob(v, M)] = false;
			limit = v
#ifdef BREAK_LIVE_IN_TRANSITION
		:: !failed -> klp_callbacks_publish(v, M)
#else
		:: !failed && patch == v -> SEEN(CAME_IN_TRANSITION)
		:: !failed && patch != v -> klp_callbacks_publish(v, M)
#endif
		fi
	:: else
	fi
}

inline klp_revert_from_module(v)
{
	if
	:: v && found[ob(v, M)] ->
		if
		:: patch == v -> SEEN(LEFT_IN_TRANSITION)
		:: patch != v && ran[ob(v, M)] == LIVE -> SEEN(LEFT_WHEN_LIVE)
		:: else
		fi;
		klp_callbacks_withdraw(v, M);
		unredirect(v, M);
#ifndef BREAK_NOT_RELEASED_WHEN_GOING
		klp_callbacks_release(v, M);
#endif
		found[ob(v, M)] = false
	:: else
	fi
}

active proctype Loader()
{
	bool failed;
	bool completing;
	byte limit;

end:
	do
	:: listed = true;
		/* klp_module_coming() */
		atomic {
#ifdef BREAK_ALIVE_ONLY_IF_NAMED
			alive = order[0] != 0;
#else
			alive = true;
#endif
			klp_apply_to_module(order[0]);
			klp_apply_to_module(order[1]);
			if
			:: failed ->
				/* klp_revert_module(), of the patches below that one */
				alive = false;
				if
				:: limit == order[1] -> SEEN(REFUSED_BY_THE_SECOND)
				:: else
				fi;
#ifndef BREAK_REFUSED_BUT_NOT_REVERTED
				if
				:: limit == order[1] -> klp_revert_from_module(order[0])
				:: else
				fi;
#endif
				limit = 0;
				unlock();
				goto gone
			:: else ->
				usable = true;
				unlock()
			fi
		}
		/* Its init fails, or it runs until its exit. Then klp_module_going(): */
		usable = false;
		atomic {
#ifndef BREAK_GOING_IS_ALIVE
			alive = false;
#endif
			klp_revert_from_module(order[0]);
			klp_revert_from_module(order[1]);
			unlock()
		}
gone:
		atomic {
			listed = false;
			alive = false;
			CHECK(!redirected[ob(P1, M)] && !redirected[ob(P2, M)],
			      nothing_freed_in_use)
		}
	od
}
