/*
 * librte_vhost as the filter's fuzz target has it: acts on messages as 22.11 does (lib/vhost/vhost_user.c),
 * on the caller's thread, and ends the program where one comes that must never reach it, or at a wrong
 * moment.
 */
#ifndef VH_FUZZ_RIG_LIBRARY_H
#define VH_FUZZ_RIG_LIBRARY_H

#include "../../dpdk/vhost/session.h"

/* Its only socket is this session's. */
void library_serve(struct vh_session *s);

/* Takes in and acts on all that has come. Return: whether there was anything. */
bool library_turn(void);

/* Gives back addresses that it has unmapped; until then whoever uses them is found out. */
void library_forget(void);

#endif
