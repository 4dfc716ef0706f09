/* Who has had how much of the processors. */
#ifndef CPUTIME_H
#define CPUTIME_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds for which those threads of a process have run whose names begin with `comm` ("": all that
 * live). */
uint64_t cputime_of(pid_t pid, const char *comm);

/* Nanoseconds for which this machine's processors were busy or were taken by its host, in steps of a clock
 * tick. */
uint64_t cputime_machine(void);

#endif
