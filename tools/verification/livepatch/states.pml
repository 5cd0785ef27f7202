/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model one system state with callbacks, while three patches and a module are loaded and unloaded.
 *
 * Each patch has the state or lacks it, belongs to a replace set, and replaces others or not.
 * Requests, reversals, completions, loads and unloads are repeated without end, and each step
 * that can be refused is sometimes refused. Tasks are not modelled: a transition ends at any time.
 *
 * By default the first patch introduces the state, the second one replaces it and has the state
 * too, and the third one replaces both and lacks the state.
 *
 * -DSTACKED	the second patch does not replace the first one
 * -DSETS	the third patch is of another set, and has the state
 * -DAPART	the third patch is of another set, and lacks the state
 * -DCONTAINS	the third patch is of another set that contains the first one, and has the state
 * -DBOUND=n	patch n binds the state to the module, ALL: each patch
 * -DONLY=...	stop only at violations of this property
 * -DBREAK_...	leave out or change one step; check.sh lists them
 */

#define NOTHING		0
#define PREPARED	1
#define LIVE		2

#if defined(STACKED)
#define replacing(v)	((v) == 3)
#else
#define replacing(v)	((v) >= 2)
#endif
#if defined(SETS) || defined(APART) || defined(CONTAINS)
#define set(v)		((v) == 3)
#else
#define set(v)		0
#endif
#if defined(SETS) || defined(CONTAINS)
#define has(v)		true
#else
#define has(v)		((v) != 3)
#endif
#define ALL		4
#if BOUND == ALL
#define bound(v)	true
#else
#define bound(v)	((v) == BOUND)
#endif
#ifdef CONTAINS
#define contains(v, old) ((v) == 3)
#else
#define contains(v, old) false
#endif

byte stage[4];			/* klp_rt_state.stage of the entry of each patch */
byte data[4];			/* klp_state.data, 0 for none */
bool found[4];			/* klp_rt_object.mod is set */
byte order[3];			/* the stack of patches, the oldest first */
byte patch;			/* klp_transition_patch */
bool wanted;			/* its klp_rt_patch.enabled */
bool alive;			/* klp_alive of the module */

byte ran;			/* the stage that the callbacks lead to */
byte token;			/* data that the last pre_patch has set */

bool once_per_arrival = true;	/* a callback runs only when it is due */
bool only_while_loaded = true;	/* no callback runs for a module that is not there */
bool nothing_lost = true;	/* the state is in force while an enabled patch has it */
bool one_holder = true;		/* one entry has the stage of the state */
bool data_is_current = true;	/* owners have the data of the last pre_patch, others have none */
bool refused_as_before = true;	/* a patch that is refused has removed nothing */
bool newest_removes = true;	/* the state is removed by the newest of its last owners */
bool withdrawn_in_time = true;	/* pre_unpatch runs before the transition that removes the state,
				 * unless an owner has lost its module since
				 */
bool sets_apart = true;		/* a replace leaves patches of other sets alone, and no state is
				 * that of two sets
				 */

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
#define INHERITED		1
#define STAGE_PASSED_ON		2
#define REMOVED_BY_REPLACE	3
#define REMOVAL_REVERSED	4
#define SHARED_REMOVED		5
#define SET_REFUSED		6
#define SET_CONTAINED		7
#define CAME_WITH_MODULE	8
#define LEFT_WITH_MODULE	9
#define KEPT_WHEN_DISABLED	10

#define installed(v)	(order[0] == (v) || order[1] == (v) || order[2] == (v))
#define is_below(v, by)	((order[0] == (v) && (order[1] == (by) || order[2] == (by))) || \
			 (order[1] == (v) && order[2] == (by)))
#define top		(order[2] -> order[2] : (order[1] -> order[1] : order[0]))

/* ---- runtime.c ---- */

#ifdef BREAK_SETS_IGNORED
#define klp_replaces(v, old) (replacing(v))
#else
#define klp_replaces(v, old) (replacing(v) && (set(v) == set(old) || contains(v, old)))
#endif
#define may_replace(v, old) (replacing(v) && (set(v) == set(old) || contains(v, old)))
#ifdef BREAK_CONFLICT_IGNORED
#define conflict(v, old) false
#else
#define conflict(v, old) (installed(old) && set(v) != set(old) && !klp_replaces(v, old) && \
			  has(v) && has(old))
#endif

/* ---- state.c ---- */

#ifdef BOUND
#define active(v)	(installed(v) && has(v) && (!bound(v) || found[v]))
#else
#define active(v)	(installed(v) && has(v))
#endif

/* klp_patch_is_affected(), klp_patch_stays() */
#define affected(v)	(patch && ((v) == patch || \
				   (is_below(v, patch) && klp_replaces(patch, v))))
#define stays(v)	(!affected(v) || wanted == ((v) == patch))

#define candidate(v, staying, but) ((v) && (v) != (but) && active(v) && (!(staying) || stays(v)))

/* klp_newest_owner() */
#define newest_owner(staying, but) \
	(candidate(order[2], staying, but) -> order[2] : \
	 (candidate(order[1], staying, but) -> order[1] : \
	  (candidate(order[0], staying, but) -> order[0] : 0)))

/* klp_find_holder() */
#define holder	(installed(1) && stage[1] -> 1 : (installed(2) && stage[2] -> 2 : \
		 (installed(3) && stage[3] -> 3 : 0)))

inline called(v, before, after)
{
	CHECK(ran == before, once_per_arrival);
	CHECK(data[v] == token, data_is_current);
#ifdef BOUND
	CHECK(!bound(v) || alive || going || coming, only_while_loaded);
#endif
	ran = after
}

/* klp_state_move_stage() */
inline pass_on(from, to)
{
	moved = stage[from];
	stage[from] = NOTHING;
	stage[to] = moved;
	moved = 0
}

#ifdef BREAK_INHERITED_FROM_OLDER
#define inherited_from(v) (order[2] == (v) && active(order[1]) -> order[1] : order[0])
#else
#define inherited_from(v) newest_owner(false, v)
#endif

inline klp_state_inherit(v)
{
	SEEN(INHERITED);
	was = inherited_from(v);
#ifndef BREAK_NOT_INHERITED
	data[v] = data[was];
#endif
	was = 0
}

/* Data is one of two values, so that a stale one is found. */
inline klp_state_introduce(v)
{
	if
	:: failed = true		/* pre_patch vetoes */
	:: true ->
		CHECK(data[v] == 0, data_is_current);
		token = 3 - (token -> token : 1);
		data[v] = token;
		stage[v] = PREPARED;
		called(v, NOTHING, PREPARED)
	fi
}

inline klp_state_publish(v)
{
	if
	:: stage[v] == PREPARED ->
		stage[v] = LIVE;
		called(v, PREPARED, LIVE)
	:: else
	fi
}

inline klp_state_withdraw(v)
{
	if
	:: stage[v] == LIVE ->
		stage[v] = PREPARED;
		withdrawn = true;
		CHECK(going || !newest_owner(true, 0), once_per_arrival);
		CHECK(going || v == patch || newest_owner(false, 0) == v, newest_removes);
		called(v, LIVE, PREPARED)
	:: else
	fi
}

inline klp_state_release(v)
{
	if
	:: stage[v] == PREPARED ->
		stage[v] = NOTHING;
		called(v, PREPARED, NOTHING)
	:: else
	fi
}

inline klp_states_enable(v)
{
	if
	:: active(v) && holder -> klp_state_inherit(v)
	:: active(v) && !holder -> klp_state_introduce(v)
	:: else
	fi
}

inline klp_states_disable(v)
{
	if
#ifdef BREAK_EACH_OWNER_REMOVES
	:: active(v) ->
#else
	:: active(v) && newest_owner(false, v) == 0 ->
#endif
		klp_state_withdraw(v)
	:: active(v) && newest_owner(false, v) != 0 -> SEEN(KEPT_WHEN_DISABLED)
	:: else
	fi
}

inline replace_one(v, old)
{
	if
	:: old && is_below(old, v) && klp_replaces(v, old) && active(old) ->
		if
#ifdef BREAK_EACH_TAKES_THE_OTHER
		:: newest_owner(false, old) == 0 ->
#else
		:: newest_owner(false, 0) == old ->
#endif
			if
			:: installed(1) && installed(2) -> SEEN(SHARED_REMOVED)
			:: else
			fi;
			SEEN(REMOVED_BY_REPLACE);
#ifdef BREAK_HOLDER_REMOVES
			was = holder;
			klp_state_withdraw(was);
			was = 0
#else
			was = holder;
			pass_on(was, old);
			was = 0;
			klp_state_withdraw(old)
#endif
		:: else
		fi
	:: else
	fi
}

/* klp_states_replace() */
inline klp_states_replace(v)
{
	replace_one(v, order[0]);
	replace_one(v, order[1])
}

inline settle(v, removed)
{
	if
	:: v && stage[v] != NOTHING && removed == (newest_owner(true, 0) == 0) ->
		if
		:: removed ->
			/* klp_state_settle_removed() */
			was = v;
#ifndef BREAK_SETTLED_WITHOUT_WITHDRAWAL
			if
			:: stage[v] == LIVE ->
				CHECK(lost, withdrawn_in_time);
				was = newest_owner(false, 0);
				pass_on(v, was);
				klp_state_withdraw(was)
			:: else
			fi;
#endif
			klp_state_release(was);
			was = 0
		:: else ->
			if
			:: stage[v] == PREPARED && withdrawn -> SEEN(REMOVAL_REVERSED)
			:: else
			fi;
			was = newest_owner(true, 0);
#ifndef BREAK_KEPT_NOT_PUBLISHED
			/* By the holder, also if it leaves. */
			klp_state_publish(v);
#endif
			if
#ifndef BREAK_STAGE_NOT_PASSED_ON
			:: !stays(v) ->
				SEEN(STAGE_PASSED_ON);
				pass_on(v, was)
#endif
			:: else
			fi;
			was = 0
		fi
	:: else
	fi
}

inline klp_states_settle()
{
	settle(1, false);
	settle(2, false);
	settle(3, false);
	settle(1, true);
	settle(2, true);
	settle(3, true);
	withdrawn = false
}

#define outlasting(v)	(active(v) && !affected(v))

/* klp_state_outlasts() */
#ifdef BREAK_PUBLISHED_IN_ONE_DIRECTION
#define outlasts(v)	((v) != patch && newest_owner(true, 0))
#else
#define outlasts(v)	(outlasting(1) || outlasting(2) || outlasting(3))
#endif

/* ---- core.c and transition.c ---- */

/* klp_retire_patch(), klp_park_patch(), klp_states_forget() */
inline klp_retire_patch(v)
{
	CHECK(stage[v] == NOTHING, nothing_lost);
	order[0] = (order[0] == v -> order[1] : order[0]);
	order[1] = (order[1] == v || order[0] == order[1] -> order[2] : order[1]);
	order[2] = (order[2] == v || order[1] == order[2] -> 0 : order[2]);
	found[v] = false;
#ifndef BREAK_DATA_NOT_FORGOTTEN
	data[v] = 0
#endif
}

inline retire_replaced(v, old)
{
	if
	:: is_below(old, v) && klp_replaces(v, old) ->
		CHECK(may_replace(v, old), sets_apart);
		if
		:: set(v) != set(old) -> SEEN(SET_CONTAINED)
		:: else
		fi;
		klp_retire_patch(old)
	:: else
	fi
}

/* Properties while the lock is free. */
#define in_force	(active(1) || active(2) || active(3))

inline check_owner(v)
{
	CHECK(data[v] == (active(v) -> token : 0), data_is_current);
	CHECK(!stage[v] || (installed(v) && stage[v] == ran), one_holder)
}

inline unlock()
{
	CHECK(patch || ran == (in_force -> LIVE : NOTHING), nothing_lost);
	CHECK((ran != NOTHING) == in_force, nothing_lost);
	check_owner(1);
	check_owner(2);
	check_owner(3);
	CHECK(!(stage[1] && stage[2]) && !(stage[1] && stage[3]) && !(stage[2] && stage[3]),
	      one_holder);
	CHECK(ran == (holder -> stage[holder] : NOTHING), one_holder);
	CHECK(!(has(3) && set(3) && installed(3) && !patch && (installed(1) || installed(2))),
	      sets_apart);
	failed = false
}

inline push(v)
{
	if
	:: !order[0] -> order[0] = v
	:: order[0] && !order[1] -> order[1] = v
	:: order[0] && order[1] -> order[2] = v
	fi
}

/* klp_install_patch(), klp_apply_patch() */
inline klp_enable(v)
{
	if
	:: conflict(v, 1) || conflict(v, 2) || conflict(v, 3) -> SEEN(SET_REFUSED)
	:: else ->
		push(v);
		patch = v;
		wanted = true;
		found[v] = alive;
		withdrawn = false;
		lost = false;
#ifdef BREAK_REPLACES_TOO_EARLY
		klp_states_replace(v);
#endif
		klp_states_enable(v);
		if
		:: true		/* callbacks of objects, redirecting */
		:: failed = true
		fi;
		if
		:: failed ->
			/* klp_transition_cancel() */
			CHECK(!withdrawn, refused_as_before);
			wanted = false;
			klp_states_settle();
			patch = 0;
			klp_retire_patch(v)
		:: else ->
#ifndef BREAK_REPLACES_TOO_EARLY
			klp_states_replace(v)
#endif
		fi
	fi
}

inline klp_disable(v)
{
	patch = v;
	wanted = false;
	withdrawn = false;
	lost = false;
	klp_states_disable(v)
}

/* klp_transition_complete(), klp_transition_finished() */
inline complete()
{
	klp_states_settle();
	finished = patch;
	patch = 0;
	if
	:: wanted ->
		retire_replaced(finished, 1);
		retire_replaced(finished, 2);
		retire_replaced(finished, 3)
	:: else -> klp_retire_patch(finished)
	fi;
	finished = 0;
	wanted = false
}

/* Set until the next request: the state was withdrawn, and the module was unloaded. */
bool withdrawn;
bool lost;

active proctype Core()
{
	bool failed, going, coming;
	byte was, moved, finished;

end:
	do
	:: atomic { !patch && !installed(1) -> klp_enable(1); unlock() }
	:: atomic { !patch && !installed(2) -> klp_enable(2); unlock() }
	:: atomic { !patch && !installed(3) -> klp_enable(3); unlock() }
	:: atomic { !patch && installed(1) -> klp_disable(1); unlock() }
	:: atomic { !patch && installed(2) -> klp_disable(2); unlock() }
	:: atomic { !patch && installed(3) -> klp_disable(3); unlock() }
	:: atomic { patch -> wanted = !wanted; unlock() }	/* klp_transition_reverse() */
	:: atomic { patch -> complete(); unlock() }
	od
}

#ifdef BOUND

/* ---- module.c ---- */

/* klp_states_release(), of the state that is bound to the module */
inline release_bound(v)
{
	klp_state_release(v);
	found[v] = false;
#ifndef BREAK_DATA_KEPT_WITHOUT_MODULE
	data[v] = 0
#endif
}

inline klp_apply_to_module(v)
{
	if
	:: !failed && v && bound(v) ->
		found[v] = true;
		klp_states_enable(v);
		if
		:: true
		:: failed = true	/* pre_patch of the object, redirecting */
		fi;
		if
		:: failed ->
			release_bound(v);
			limit = v
		:: else ->
			/* klp_states_publish() */
			if
#ifdef BREAK_PUBLISHED_IN_TRANSITION
			:: true -> klp_state_publish(v)
#else
			:: outlasts(v) && holder ->
				was = holder;
				klp_state_publish(was);
				was = 0
			:: else
#endif
			fi;
			SEEN(CAME_WITH_MODULE)
		fi
	:: else
	fi
}

inline klp_revert_from_module(v)
{
	if
	:: v && v != limit && bound(v) && found[v] ->
		lost = true;
		/* klp_states_withdraw() */
		if
		:: stage[v] && newest_owner(false, v) ->
			was = newest_owner(false, v);
			pass_on(v, was);
			was = 0
		:: stage[v] && !newest_owner(false, v) ->
			SEEN(LEFT_WITH_MODULE);
#ifndef BREAK_MODULE_NOT_WITHDRAWN
			klp_state_withdraw(v)
#endif
		:: else
		fi;
		release_bound(v)
	:: else
	fi
}

active proctype Loader()
{
	bool failed, going, coming;
	byte p, was, moved, limit;

end:
	do
	:: atomic {
		/* klp_module_coming() */
		coming = true;
		alive = true;
		p = order[0];
		klp_apply_to_module(p);
		p = order[1];
		klp_apply_to_module(p);
		p = order[2];
		klp_apply_to_module(p);
		coming = false;
		if
		:: failed ->
			/* klp_revert_module(), of the patches below that one */
			alive = false;
			going = true;
			p = (order[0] != limit -> order[0] : 0);
			klp_revert_from_module(p);
			p = (order[0] != limit && order[1] != limit -> order[1] : 0);
			klp_revert_from_module(p);
			going = false;
			limit = 0
		:: else
		fi;
		p = 0;
		unlock()
	   }
	   atomic {
		/* klp_module_going() */
		if
		:: alive ->
#ifndef BREAK_STALE_WITHOUT_MODULE
			going = true;
			p = order[0];
			klp_revert_from_module(p);
			p = order[1];
			klp_revert_from_module(p);
			p = order[2];
			klp_revert_from_module(p);
			going = false;
#endif
			alive = false;
			found[1] = false;
			found[2] = false;
			found[3] = false;
			p = 0;
			unlock()
		:: else
		fi
	   }
	od
}

#endif /* BOUND */
