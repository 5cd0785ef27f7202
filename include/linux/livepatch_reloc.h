/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Use symbols that are not exported in a livepatch. tools/livepatch/livepatch.mk builds such a
 * module, outside of the kernel tree: the build of the kernel itself does not run klp-convert.
 * Documentation/livepatch/first-livepatch.rst has an example.
 */

#ifndef _LINUX_LIVEPATCH_RELOC_H
#define _LINUX_LIVEPATCH_RELOC_H

#include <linux/stringify.h>

/**
 * KLP_RELOC_SYMBOL() - use a symbol of an object under its own name
 * @object:	vmlinux, or the name of a module with underscores. The module need not be loaded
 * @symbol:	name of a function or variable, as in /proc/kallsyms, static or not
 * @...:	position among the symbols of that name in the object, counted from 1 in the order
 *		of /proc/kallsyms. Required only if the name is not unique
 *
 * Stands at file scope, without quotes. A declaration of @symbol has to be in scope where the
 * symbol is used, which is an extern declaration also for a static symbol::
 *
 *	extern int target_limit;
 *	KLP_RELOC_SYMBOL(target, target_limit);
 *
 * The livepatch core writes the address when the object is loaded. For a module the symbol may
 * be used from the first callback of the object until the last one.
 */
#define KLP_RELOC_SYMBOL(object, symbol, ...)					\
	__KLP_RELOC(#symbol, #object, #symbol, #__VA_ARGS__)

/**
 * KLP_RELOC_ALIAS() - use a symbol of an object under another name
 * @alias:	the name that the source of the livepatch uses
 * @object:	as in KLP_RELOC_SYMBOL()
 * @symbol:	as in KLP_RELOC_SYMBOL(). May contain dots, as in foo.isra.0
 * @...:	position, as in KLP_RELOC_SYMBOL()
 *
 * Needed if the name is not a valid name in C, if the livepatch uses two symbols of one name, and
 * if the name is exported by a module on which the livepatch must not depend.
 */
#define KLP_RELOC_ALIAS(alias, object, symbol, ...)				\
	__KLP_RELOC(#alias, #object, #symbol, #__VA_ARGS__)

/*
 * Record the strings and the line of source for klp-convert, in a section that the kernel does
 * not load. modpost accepts undefined symbols that are weak. The last symbol is not weak: unless
 * livepatch.mk converts the module, modpost reports it, and the kernel refuses the module.
 */
#define __KLP_RELOC(alias, object, symbol, position)				\
	asm("	.weak	" alias "\n"						\
	    "	.pushsection .comment.klp_reloc, \"\", %progbits\n"		\
	    "	.asciz	\"" alias "\", \"" object "\", \"" symbol "\"\n"	\
	    "	.asciz	\"" position "\", \"" __FILE__ "\", \"" __stringify(__LINE__) "\"\n" \
	    "	.popsection\n"							\
	    "	.pushsection .comment.klp_reloc_use, \"\", %progbits\n"		\
	    "	.quad	klp_reloc_needs_livepatch_mk\n"				\
	    "	.popsection")

#endif /* _LINUX_LIVEPATCH_RELOC_H */
