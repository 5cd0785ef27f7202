/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KLPCTL_SHOW_H
#define _KLPCTL_SHOW_H

struct json_object;
struct patch;

void print_blockers(const struct patch *patch);
struct json_object *blockers_json(const struct patch *patch, bool *complete);
struct json_object *patch_json(const struct patch *patch);

#endif /* _KLPCTL_SHOW_H */
