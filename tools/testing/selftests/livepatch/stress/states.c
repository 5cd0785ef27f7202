// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger of system states: an entry for each state, which all patches that have the state
 * share. Violations are a callback that does not follow from the previous ones, whichever patch
 * it belongs to, and data that is not what the last pre_patch has set.
 */

#include <linux/delay.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include "modules.h"

/**
 * struct state_entry - a state
 * @stage:   the last callback, of those that objects without hooks have
 * @data:    a number that pre_patch has set as the data of the state
 * @shadows: number of shadow variables
 */
struct state_entry {
	enum stress_stage stage;
	unsigned long data;
	atomic_t shadows;
};

/* Callbacks are serialized by the core. */
static struct state_entry states[STRESS_STATES];
static unsigned long last_data;
static atomic_long_t state_callbacks;

static unsigned int number_of(const struct klp_state *state)
{
	return state->id - STRESS_STATE_ID;
}

/* Attach a shadow variable, unless one that was destroyed too late exists. */
static int add_shadow(struct state_entry *entry, const struct klp_state *state)
{
	if (!klp_shadow_alloc(entry, state->id, sizeof(long), GFP_KERNEL, NULL, NULL))
		return -ENOMEM;
	atomic_inc(&entry->shadows);
	return 0;
}

/* The destructor of a state may sleep. */
void stress_shadow_dtor(void *obj, void *data)
{
	struct state_entry *entry = obj;

	msleep(get_random_u32_below(4));
	if (entry->stage != STRESS_IDLE)
		stress_violation("state %td: its shadow variables are freed in stage %d",
				 entry - states, entry->stage);
	atomic_dec(&entry->shadows);
}
EXPORT_SYMBOL_GPL(stress_shadow_dtor);

static void enter_event(const struct stress_patch *patch, struct klp_state *state,
			enum stress_event event)
{
	const struct stress_transit *step = &stress_without_hooks[event];
	struct state_entry *entry = &states[number_of(state)];

	if (entry->stage != step->from)
		stress_violation("%s: %s of state %u in stage %d", patch->name,
				 stress_event_names[event], number_of(state), entry->stage);
	entry->stage = step->to;
	if (event == STRESS_ON_PRE_PATCH) {
		entry->data = ++last_data;
		if (state->data)
			stress_violation("%s introduces state %u with data", patch->name,
					 number_of(state));
		state->data = (void *)entry->data;
	} else if ((unsigned long)state->data != entry->data) {
		stress_violation("%s: %s of state %u with data %lu, should be %lu", patch->name,
				 stress_event_names[event], number_of(state),
				 (unsigned long)state->data, entry->data);
	}
}

/**
 * stress_state_callback() - record a call of a callback of a state
 * @patch: the page of its patch
 * @state: the state
 * @event: the callback
 *
 * Return: the result of the callback.
 */
int stress_state_callback(const struct stress_patch *patch, struct klp_state *state,
			  enum stress_event event)
{
	int ret;

	atomic_long_inc(&state_callbacks);
	if (!get_random_u32_below(8))
		msleep(get_random_u32_below(8));
	if (event == STRESS_ON_PRE_PATCH) {
		if (stress_vetoes())
			return -EUCLEAN;
		ret = state->is_shadow ? add_shadow(&states[number_of(state)], state) : 0;
		if (ret)
			return ret;
	}
	enter_event(patch, state, event);
	return 0;
}
EXPORT_SYMBOL_GPL(stress_state_callback);

/*
 * Check the states of a patch in pre_patch of an object: those that are bound to it, and for
 * vmlinux those that are bound to no module, have been introduced or inherited. vmlinux is the
 * first object of each patch: check then that no patch of another set has one of the states.
 */
void stress_check_states(const struct stress_patch *patch, unsigned int object)
{
	const struct klp_state *state;
	const struct state_entry *entry;

	for (state = patch->desc->states; state && state->id; state++) {
		if (!object)
			stress_check_state_sets(patch, number_of(state));
		if (stress_object_of_state(patch, number_of(state)) != object)
			continue;
		entry = &states[number_of(state)];
		if (entry->stage == STRESS_IDLE || (unsigned long)state->data != entry->data)
			stress_violation("%s: state %u in stage %d with data %lu, should be %lu",
					 patch->name, number_of(state), entry->stage,
					 (unsigned long)state->data, entry->data);
	}
}

/* Print a line for each state, which the program reads with scanf(). */
void stress_show_states(struct seq_file *m)
{
	unsigned int i;

	seq_printf(m, "state_callbacks %ld\n", atomic_long_read(&state_callbacks));
	for (i = 0; i < STRESS_STATES; i++)
		seq_printf(m, "state %u %d %d\n", i, READ_ONCE(states[i].stage),
			   atomic_read(&states[i].shadows));
}
