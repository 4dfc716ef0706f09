/* Between what JavaScript gives in the target `values` and the engine that it must reach. */
#ifndef VH_FUZZ_VALUES_H
#define VH_FUZZ_VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

struct napi_value__ {
	const char *name; /* of the property, or "argument" */
	napi_valuetype type;
	bool array;
	double number;
	uint32_t length; /* of an array or a string */
	char text[300];
};

/* What was given last under this name, which must be of this type. */
napi_value given(const char *name, napi_valuetype type);
/* Whether an exception is pending. */
bool has_thrown(void);
/* The next byte of the input. */
uint8_t chance(void);

/* Whether the engine runs, as the addon is told. */
void engine_runs(bool does);

#endif
