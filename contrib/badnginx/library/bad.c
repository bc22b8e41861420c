/*
 * One way for nginx to go wrong, chosen by a macro. The dynamic linker finds
 * these functions before those of libc, because the library is the program's
 * first. Everything is asked of the kernel directly: a symbol of a younger libc
 * would not load on an older system, and the functions that are replaced cannot
 * be called.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef AFTER_MS
#define AFTER_MS 0
#endif

/* The first that a worker does which no master does (ngx_worker_process_init). */
#if defined(CRASH_AT_START) || defined(CRASH_AFTER) || defined(SILENT)
#define IN_WORKER
#endif

/* Only an exec by USR2 passes listening sockets (ngx_exec_new_binary). */
#if defined(HANG_AT_START) || defined(EXIT_AT_START) || defined(EXIT_MASTER_AFTER) || defined(SLOW_START)
#define IN_SUCCESSOR
#endif

#if defined(CRASH_AT_START) || defined(CRASH_AT_FIRST_REQUEST) || defined(CRASH_AFTER)
static void crash(void)
{
	/* The crash loops of tests must not fill a disk with core files. */
	syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	abort();
}
#endif

#if defined(CRASH_AFTER) || defined(EXIT_MASTER_AFTER)
static void late(int number)
{
	(void)number;
#ifdef CRASH_AFTER
	crash();
#else
	_exit(1);
#endif
}

/* Timers are not inherited by fork: this process alone is meant. */
static void call_late(void)
{
	const int number = 40; /* a real-time signal: nginx neither handles nor blocks it */
	struct sigaction action;
	struct sigevent event;
	struct itimerspec when;
	int timer;

	memset(&action, 0, sizeof(action));
	action.sa_handler = late;
	sigaction(number, &action, NULL);
	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = number;
	memset(&when, 0, sizeof(when));
	when.it_value.tv_sec = AFTER_MS / 1000;
	when.it_value.tv_nsec = AFTER_MS % 1000 * 1000000L;
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0)
		syscall(SYS_timer_settime, timer, 0, &when, NULL);
}
#endif

#ifdef IN_WORKER
#ifdef SILENT
static int worker;
#endif

int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_DUMPABLE) {
#if defined(CRASH_AT_START)
		crash();
#elif defined(CRASH_AFTER)
		call_late();
#else
		worker = 1;
#endif
	}
	return syscall(SYS_prctl, option, arg[0], arg[1], arg[2], arg[3]);
}
#endif

#ifdef SILENT
/* nginx then waits for the next event, which does not come. */
ssize_t recv(int fd, void *data, size_t size, int flags)
{
	if (worker) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_recvfrom, fd, data, size, flags, NULL, NULL);
}
#endif

#if defined(EXEC_AT_FIRST_REQUEST) || defined(HELPER)
/* It ends with its parent, or after a while. */
static void execute(char *title, char *seconds)
{
	char *const argv[] = {title, seconds, NULL}, *const none[] = {NULL};

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int fd = 0; fd < 3; fd++)
		syscall(SYS_close, fd); /* whoever started nginx waits for their end */
	syscall(SYS_execve, "/bin/sleep", argv, none);
	_exit(1);
}
#endif

#ifdef HELPER
/* Only ngx_daemon calls it. */
pid_t setsid(void)
{
	pid_t session = syscall(SYS_setsid);

	if (fork() == 0)
		execute("a module's helper", "600");
	return session;
}
#endif

#if defined(CRASH_AT_FIRST_REQUEST) || defined(ANSWER_500) || defined(EXEC_AT_FIRST_REQUEST)
#ifdef ANSWER_500
static int serving;
#endif

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int client = syscall(SYS_accept4, fd, address, size, flags);

#ifdef ANSWER_500
	serving |= client >= 0;
#elif defined(EXEC_AT_FIRST_REQUEST)
	if (client >= 0)
		execute("nginx: master process nginx", "30");
#else
	if (client >= 0)
		crash();
#endif
	return client;
}
#endif

#ifdef ANSWER_500
/* What a worker that serves opens for reading alone is what it answers with. */
static int refuse(int dir, const char *path, int flags, mode_t mode)
{
	if (serving && (flags & (O_ACCMODE | O_CREAT)) == O_RDONLY) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_openat, dir, path, flags, mode);
}

static mode_t mode_of(int flags, va_list list)
{
	return flags & O_CREAT ? va_arg(list, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list list;

	va_start(list, flags);
	mode_t mode = mode_of(flags, list);
	va_end(list);
	return refuse(AT_FDCWD, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list list;

	va_start(list, flags);
	mode_t mode = mode_of(flags, list);
	va_end(list);
	return refuse(dir, path, flags, mode);
}
#endif

#ifdef IN_SUCCESSOR
#ifdef SLOW_START
static void wait_first(void)
{
	struct timespec left = { AFTER_MS / 1000, AFTER_MS % 1000 * 1000000L };

	while (syscall(SYS_nanosleep, &left, &left) != 0 && errno == EINTR)
		;
}
#endif

__attribute__((constructor)) static void begin(void)
{
	if (getenv("NGINX") == NULL)
		return;
#if defined(HANG_AT_START)
	for (;;)
		pause();
#elif defined(EXIT_AT_START)
	_exit(1);
#elif defined(SLOW_START)
	wait_first();
#else
	call_late();
#endif
}
#endif
