#include "helper_thread.h"

int vh_call_thread_start(struct vh_call_thread *t, const char *name, void *(*loop)(void *))
{
	int error = -pthread_create(&t->thread, NULL, loop, NULL);

	if (error != 0)
		return error;
	t->running = true;
	pthread_setname_np(t->thread, name);
	return 0;
}

void vh_call_thread_stop(struct vh_call_thread *t, void (*ask)(void))
{
	if (!t->running)
		return;
	ask();
	pthread_join(t->thread, NULL);
	t->running = false;
}
