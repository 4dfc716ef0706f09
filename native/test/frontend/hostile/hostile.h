/* Internal to the hostile client: what its parts share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "../vu/guest.h"

#define EVIL 9 /* last byte of the hostile guest's address */

/* A pseudo-random sequence that a seed repeats (xorshift64*). */
struct dice {
	uint64_t state;
};

uint64_t dice_roll(struct dice *d);

/* A number below n. */
static inline uint32_t dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)(dice_roll(d) >> 32) % n;
}

/* Says what went wrong and ends with 1. */
void hostile_fail(const char *attack, const char *what) __attribute__((noreturn));

/* Parts, one per file. argv: their own arguments. Return: exit code. */
int hostile_protocol(int argc, char **argv); /* SOCKET */
int hostile_fds(int argc, char **argv);	     /* SOCKET MESSAGES */
int hostile_table(int argc, char **argv);    /* DIRECTORY PORTS: sockets named 0, 1, ... */
int hostile_silent(int argc, char **argv);   /* SOCKET OTHER_SOCKET */
int hostile_log(int argc, char **argv);	     /* SOCKET PARTNER_SOCKET */
int hostile_memory(int argc, char **argv);   /* SOCKET split|packed ROUNDS */
int hostile_eventfd(int argc, char **argv);  /* SOCKET VICTIM_SOCKET */
int hostile_flip(int argc, char **argv);     /* SOCKET VICTIM_SOCKET */
int hostile_kinds(int argc, char **argv);    /* SOCKET OTHER_SOCKET */
int hostile_closing(int argc, char **argv);  /* SOCKET OTHER_SOCKET */
int hostile_rings(int argc, char **argv);    /* SOCKET split|packed PARTNER_SOCKET */
int hostile_removed(int argc, char **argv);  /* SOCKET split|packed PEER_SOCKET */
int hostile_random(int argc, char **argv);   /* SOCKET SECONDS SEED */
int hostile_measure(int argc, char **argv);  /* SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SEED SWITCH_PID */

int hostile_flips(int argc, char **argv);   /* SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SWITCH_PID */
int hostile_watches(int argc, char **argv); /* SOCKET_A SOCKET_B SECONDS EVIL_SOCKET WATCHES SWITCH_PID */
int hostile_iommu(int argc, char **argv);   /* SOCKET split|packed PARTNER_SOCKET */
int hostile_chains(int argc, char **argv);  /* SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SWITCH_PID */
/* SOCKET_A SOCKET_B SECONDS FROM_SOCKET TO_SOCKET dead|slow SWITCH_PID */
int hostile_full(int argc, char **argv);

/* Random messages and ring contents until the time is up, which another process may write; paced: about this
 * many steps a second, 0: as many as go. Return: how many connections it took. */
uint64_t hostile_play(const char *path, struct dice *dice, const uint64_t *until_ns, uint32_t paced);

/* Spoils the rings of a running guest at random. */
void hostile_spoil(struct guest *g, struct dice *dice);

#endif
