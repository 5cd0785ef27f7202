// SPDX-License-Identifier: GPL-2.0
/*
 * A function that has the name of another one: see symbols_kunit.c.
 */

#include "symbols_kunit.h"

static noinline int klp_kunit_twin(int value)
{
	return value + 2;
}

int (*klp_kunit_second_twin(void))(int value)
{
	return klp_kunit_twin;
}
