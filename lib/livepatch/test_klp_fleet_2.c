// SPDX-License-Identifier: GPL-2.0
#define FLEET_VERSION 2
#include "test_klp_fleet_patch.h"
