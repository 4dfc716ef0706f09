/*
 * inject THREAD CALL [ARGUMENT...]
 *
 * Has a thread of another process make a system call, as somebody would who has found a fault in it: the
 * thread is stopped while it waits in the kernel, sent through the same instruction with another number and
 * arguments, and put back where it was. Numbers are decimal; `@TEXT` is a text, written below the thread's
 * stack. Prints what the call gave. x86-64 alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

/* Below the stack pointer and the zone under it that its code may use (System V ABI, "red zone"). */
#define BELOW 4096

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

#ifdef __x86_64__
static void stop(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0)
		fail("stop");
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		fail("wait");
}

static void put_text(pid_t tid, unsigned long at, const char *text)
{
	struct iovec from = {(void *)text, strlen(text) + 1}, to = {(void *)at, strlen(text) + 1};

	if (process_vm_writev(tid, &from, 1, &to, 1, 0) != (ssize_t)from.iov_len)
		fail("text");
}

/* Whether the instruction before is a system call: the thread waits in one. */
static int is_in_call(pid_t tid, unsigned long rip)
{
	unsigned char code[2] = {0};
	struct iovec here = {code, sizeof(code)}, there = {(void *)(rip - 2), sizeof(code)};

	return process_vm_readv(tid, &here, 1, &there, 1, 0) == 2 && code[0] == 0x0f && code[1] == 0x05;
}

static long make_call(pid_t tid, const struct user_regs_struct *was, int argc, char **argv)
{
	struct user_regs_struct regs = *was;
	unsigned long long *const arguments[] = {
		&regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9};
	unsigned long at = was->rsp - BELOW;
	int status;

	regs.rip -= 2;
	regs.rax = strtoul(argv[0], NULL, 10);
	/* No call that is to be made again. */
	regs.orig_rax = (unsigned long long)-1;
	for (int i = 1; i < argc && i <= 6; i++) {
		*arguments[i - 1] = argv[i][0] == '@' ? at : strtoull(argv[i], NULL, 10);
		if (argv[i][0] == '@')
			put_text(tid, at, argv[i] + 1);
		at -= 256;
	}
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs) != 0 || ptrace(PTRACE_SINGLESTEP, tid, 0, 0) != 0 ||
		waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status) ||
		ptrace(PTRACE_GETREGS, tid, 0, &regs) != 0)
		fail("call");
	return (long)regs.rax;
}

int main(int argc, char **argv)
{
	struct user_regs_struct was;
	time_t end = time(NULL) + 20;
	long result;
	pid_t tid;

	if (argc < 3) {
		fprintf(stderr, "usage: inject THREAD CALL [ARGUMENT...]\n");
		return 2;
	}
	tid = (pid_t)atoi(argv[1]);
	for (;;) {
		stop(tid);
		if (ptrace(PTRACE_GETREGS, tid, 0, &was) != 0)
			fail("registers");
		if (is_in_call(tid, was.rip))
			break;
		if (ptrace(PTRACE_DETACH, tid, 0, 0) != 0 || time(NULL) > end)
			fail("it does not wait in the kernel");
	}
	result = make_call(tid, &was, argc - 2, argv + 2);
	/* What it waited for ends early, as by a signal: it looks again. */
	was.rax = (unsigned long long)-EINTR;
	was.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, tid, 0, &was) != 0 || ptrace(PTRACE_DETACH, tid, 0, 0) != 0)
		fail("back");
	printf("%ld\n", result);
	return 0;
}
#else
int main(void)
{
	errno = ENOSYS;
	fail("inject");
	return 1;
}
#endif
