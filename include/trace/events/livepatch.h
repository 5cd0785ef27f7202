/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of the livepatch core. Documentation/livepatch/tracing.rst specifies the events, their
 * fields and the words in them, which keep their names.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM livepatch

#if !defined(_TRACE_LIVEPATCH_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LIVEPATCH_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

/* A request to enable or disable a patch, or to enable it as a replacement of all others. */
TRACE_EVENT(klp_request,

	TP_PROTO(const char *patch, const char *request),

	TP_ARGS(patch, request),

	TP_STRUCT__entry(
		__string(patch, patch)
		__string(request, request)
	),

	TP_fast_assign(
		__assign_str(patch);
		__assign_str(request);
	),

	TP_printk("patch=%s request=%s", __get_str(patch), __get_str(request))
);

/* The answer to a klp_request. Each request has one. */
TRACE_EVENT(klp_request_done,

	TP_PROTO(const char *patch, const char *request, int result, u64 duration_ns),

	TP_ARGS(patch, request, result, duration_ns),

	TP_STRUCT__entry(
		__string(patch, patch)
		__string(request, request)
		__field(int, result)
		__field(u64, duration_ns)
	),

	TP_fast_assign(
		__assign_str(patch);
		__assign_str(request);
		__entry->result = result;
		__entry->duration_ns = duration_ns;
	),

	TP_printk("patch=%s request=%s result=%d duration_ns=%llu", __get_str(patch),
		  __get_str(request), __entry->result, __entry->duration_ns)
);

DECLARE_EVENT_CLASS(klp_object,

	TP_PROTO(const char *patch, const char *object, unsigned int functions),

	TP_ARGS(patch, object, functions),

	TP_STRUCT__entry(
		__string(patch, patch)
		__string(object, object)
		__field(unsigned int, functions)
	),

	TP_fast_assign(
		__assign_str(patch);
		__assign_str(object);
		__entry->functions = functions;
	),

	TP_printk("patch=%s object=%s functions=%u", __get_str(patch), __get_str(object),
		  __entry->functions)
);

/* The functions of an object have been redirected. */
DEFINE_EVENT(klp_object, klp_object_patched,
	TP_PROTO(const char *patch, const char *object, unsigned int functions),
	TP_ARGS(patch, object, functions)
);

/* The redirection of an object has been removed. */
DEFINE_EVENT(klp_object, klp_object_unpatched,
	TP_PROTO(const char *patch, const char *object, unsigned int functions),
	TP_ARGS(patch, object, functions)
);

/* A callback or a hook has returned. @function is its symbol. */
TRACE_EVENT(klp_callback,

	TP_PROTO(const char *patch, const char *object, const char *kind, const char *function,
		 int ret, u64 duration_ns),

	TP_ARGS(patch, object, kind, function, ret, duration_ns),

	TP_STRUCT__entry(
		__string(patch, patch)
		__string(object, object)
		__string(kind, kind)
		__string(function, function)
		__field(int, ret)
		__field(u64, duration_ns)
	),

	TP_fast_assign(
		__assign_str(patch);
		__assign_str(object);
		__assign_str(kind);
		__assign_str(function);
		__entry->ret = ret;
		__entry->duration_ns = duration_ns;
	),

	TP_printk("patch=%s object=%s kind=%s function=%s ret=%d duration_ns=%llu",
		  __get_str(patch), __get_str(object), __get_str(kind), __get_str(function),
		  __entry->ret, __entry->duration_ns)
);

DECLARE_EVENT_CLASS(klp_state,

	TP_PROTO(const char *patch, unsigned long id, unsigned int version),

	TP_ARGS(patch, id, version),

	TP_STRUCT__entry(
		__string(patch, patch)
		__field(unsigned long, id)
		__field(unsigned int, version)
	),

	TP_fast_assign(
		__assign_str(patch);
		__entry->id = id;
		__entry->version = version;
	),

	TP_printk("patch=%s id=%lu version=%u", __get_str(patch), __entry->id,
		  __entry->version)
);

/* The state is in force, by this patch. Its pre_patch has succeeded. */
DEFINE_EVENT(klp_state, klp_state_introduced,
	TP_PROTO(const char *patch, unsigned long id, unsigned int version),
	TP_ARGS(patch, id, version)
);

/* The patch has become an owner of a state that is in force. */
DEFINE_EVENT(klp_state, klp_state_inherited,
	TP_PROTO(const char *patch, unsigned long id, unsigned int version),
	TP_ARGS(patch, id, version)
);

/* The state is not in force any longer. The post_unpatch of this patch has run. */
DEFINE_EVENT(klp_state, klp_state_removed,
	TP_PROTO(const char *patch, unsigned long id, unsigned int version),
	TP_ARGS(patch, id, version)
);

/* A callback of a state has returned. @function is its symbol. */
TRACE_EVENT(klp_state_callback,

	TP_PROTO(const char *patch, unsigned long id, const char *kind, const char *function,
		 int ret, u64 duration_ns),

	TP_ARGS(patch, id, kind, function, ret, duration_ns),

	TP_STRUCT__entry(
		__string(patch, patch)
		__field(unsigned long, id)
		__string(kind, kind)
		__string(function, function)
		__field(int, ret)
		__field(u64, duration_ns)
	),

	TP_fast_assign(
		__assign_str(patch);
		__entry->id = id;
		__assign_str(kind);
		__assign_str(function);
		__entry->ret = ret;
		__entry->duration_ns = duration_ns;
	),

	TP_printk("patch=%s id=%lu kind=%s function=%s ret=%d duration_ns=%llu",
		  __get_str(patch), __entry->id, __get_str(kind), __get_str(function),
		  __entry->ret, __entry->duration_ns)
);

DECLARE_EVENT_CLASS(klp_transition,

	TP_PROTO(const char *patch, const char *direction),

	TP_ARGS(patch, direction),

	TP_STRUCT__entry(
		__string(patch, patch)
		__string(direction, direction)
	),

	TP_fast_assign(
		__assign_str(patch);
		__assign_str(direction);
	),

	TP_printk("patch=%s direction=%s", __get_str(patch), __get_str(direction))
);

/* The transition has started: tasks are switched from now on. */
DEFINE_EVENT(klp_transition, klp_transition_start,
	TP_PROTO(const char *patch, const char *direction),
	TP_ARGS(patch, direction)
);

/* The transition has been reversed. @direction is the new one. klp_transition_start follows. */
DEFINE_EVENT(klp_transition, klp_transition_reverse,
	TP_PROTO(const char *patch, const char *direction),
	TP_ARGS(patch, direction)
);

/* All pending tasks have been marked as switched. */
DEFINE_EVENT(klp_transition, klp_transition_force,
	TP_PROTO(const char *patch, const char *direction),
	TP_ARGS(patch, direction)
);

/* The transition is complete: no task is pending, and all callbacks have run. */
DEFINE_EVENT(klp_transition, klp_transition_complete,
	TP_PROTO(const char *patch, const char *direction),
	TP_ARGS(patch, direction)
);

/* A task has been switched. @how is the kind of safe point. */
TRACE_EVENT(klp_task_switched,

	TP_PROTO(struct task_struct *task, const char *how),

	TP_ARGS(task, how),

	TP_STRUCT__entry(
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
		__string(how, how)
	),

	TP_fast_assign(
		__entry->pid = task->pid;
		memcpy(__entry->comm, task->comm, TASK_COMM_LEN);
		__assign_str(how);
	),

	TP_printk("pid=%d comm=%s how=%s", __entry->pid, __entry->comm, __get_str(how))
);

/* A task has been checked and could not be switched. @function is the function it sleeps in. */
TRACE_EVENT(klp_task_held,

	TP_PROTO(struct task_struct *task, const char *reason, const char *function),

	TP_ARGS(task, reason, function),

	TP_STRUCT__entry(
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
		__string(reason, reason)
		__string(function, function)
	),

	TP_fast_assign(
		__entry->pid = task->pid;
		memcpy(__entry->comm, task->comm, TASK_COMM_LEN);
		__assign_str(reason);
		__assign_str(function);
	),

	TP_printk("pid=%d comm=%s reason=%s function=%s", __entry->pid, __entry->comm,
		  __get_str(reason), __get_str(function))
);

#endif /* _TRACE_LIVEPATCH_H */

#include <trace/define_trace.h>
