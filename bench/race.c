/*
 * race ROUNDS COMMAND...: runs shell-free commands in turn, ROUNDS times each after one round that does not count, and prints for each one
 * a line: the median of the wall clock in nanoseconds, the lower and the upper quartile, the medians of the processor's time in the
 * program and in the kernel, and the peak memory in KiB. A COMMAND is one argument whose words are divided by white space. Taking turns puts
 * the same disturbances upon all of them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int by_size(const void *one, const void *other)
{
	long long a = *(const long long *)one, b = *(const long long *)other;
	return a < b ? -1 : a > b;
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long nanoseconds(struct timeval time) { return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL; }

int main(int count, char **arguments)
{
	int rounds = count > 2 ? atoi(arguments[1]) : 0, commands = count - 2;
	if (rounds <= 0) {
		fprintf(stderr, "usage: race ROUNDS COMMAND...\n");
		return 2;
	}
	char ***words = calloc(commands, sizeof *words);
	long long *times = calloc((size_t)commands * rounds, sizeof *times), *own = calloc((size_t)commands * rounds, sizeof *own);
	long long *kernel = calloc((size_t)commands * rounds, sizeof *kernel);
	long *memory = calloc(commands, sizeof *memory);
	for (int command = 0; command < commands; command++) {
		words[command] = calloc(strlen(arguments[command + 2]) + 2, sizeof **words);
		int word = 0;
		for (char *at = strtok(arguments[command + 2], " \n"); at; at = strtok(NULL, " \n"))
			words[command][word++] = at;
	}
	posix_spawn_file_actions_t quiet;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	for (int round = -1; round < rounds; round++) {
		for (int command = 0; command < commands; command++) {
			pid_t child;
			int status;
			struct rusage usage;
			long long start = now();
			if (posix_spawnp(&child, words[command][0], &quiet, NULL, words[command], environ) != 0) {
				fprintf(stderr, "race: cannot start %s\n", words[command][0]);
				return 1;
			}
			wait4(child, &status, 0, &usage);
			long long took = now() - start;
			/* A command that fails is quick, and proves nothing; that a check refuses (1) is an answer. */
			if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
				fprintf(stderr, "race: %s ended with status %d\n", words[command][0], status);
				return 1;
			}
			if (round >= 0) {
				size_t at = (size_t)command * rounds + round;
				times[at] = took;
				own[at] = nanoseconds(usage.ru_utime);
				kernel[at] = nanoseconds(usage.ru_stime);
			}
			if (usage.ru_maxrss > memory[command])
				memory[command] = usage.ru_maxrss;
		}
	}
	for (int command = 0; command < commands; command++) {
		size_t mine = (size_t)command * rounds;
		qsort(times + mine, rounds, sizeof *times, by_size);
		qsort(own + mine, rounds, sizeof *own, by_size);
		qsort(kernel + mine, rounds, sizeof *kernel, by_size);
		printf("%lld %lld %lld %lld %lld %ld\n", times[mine + rounds / 2], times[mine + rounds / 4], times[mine + rounds * 3 / 4], own[mine + rounds / 2], kernel[mine + rounds / 2], memory[command]);
	}
	return 0;
}
