/* Read from /proc: schedstat of threads (nanoseconds), stat of the machine (clock ticks). */
#include "cputime.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads the first line of a file. Return: whether there was one. */
static bool first_line(const char *path, char *text, size_t n)
{
	FILE *f = fopen(path, "re");
	bool there = f != NULL && fgets(text, (int)n, f) != NULL;

	if (f != NULL)
		fclose(f);
	return there;
}

uint64_t cputime_of(pid_t pid, const char *comm)
{
	char path[300], text[100];
	uint64_t sum = 0;
	struct dirent *e;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks != NULL && (e = readdir(tasks)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, e->d_name);
		if (!first_line(path, text, sizeof(text)) || strncmp(text, comm, strlen(comm)) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
		if (first_line(path, text, sizeof(text)))
			sum += strtoull(text, NULL, 10);
	}
	if (tasks != NULL)
		closedir(tasks);
	return sum;
}

uint64_t cputime_machine(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	char text[300];

	if (!first_line("/proc/stat", text, sizeof(text)) ||
		sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
			&iowait, &irq, &softirq, &steal) != 8)
		return 0;
	return (user + nice + system + irq + softirq + steal) * tick;
}
