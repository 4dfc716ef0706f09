/* Where the process's own lines go. */
#ifndef VH_BASE_LOG_FILE_H
#define VH_BASE_LOG_FILE_H

/*
 * Makes stdout and stderr append to the file `path`, made with mode 0640 less the umask where it is missing
 * and never followed through a symbolic link. Return: 0, or a negative errno; then they are as before.
 */
int vh_log_to(const char *path);

#endif
