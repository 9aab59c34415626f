/*
 * fault.c - tells the daemon into which faults.so is loaded what shall fail.
 *
 *     fault FILE new                            makes the file
 *     fault FILE KIND N ERRNO once|always       the Nth call from now on: read, write, sync, truncate, open, lock,
 * malloc... fault FILE off                            nothing fails any more; prints how many calls there were fault
 * FILE clock SECONDS                  its clock is so much ahead
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/faults.h"
#include "../faults/plan.h"

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	struct faults *f = faults_map(argv[1]);
	if (strcmp(argv[2], "new") == 0)
		memset(f, 0, sizeof *f);
	else if (strcmp(argv[2], "clock") == 0 && argc == 4)
		__atomic_store_n(&f->clock_seconds, atol(argv[3]), __ATOMIC_RELEASE);
	else if (strcmp(argv[2], "off") == 0)
		printf("%ld\n", faults_off(f));
	else if (argc == 6)
		faults_arm(f, argv[2], atol(argv[3]), argv[4], argv[5]);
	else
		return 2;
	return 0;
}
