#include "defs.h"

static const char *const drop_names[VH_DROP_COUNT] = {
#define VH_X(id, name) [VH_DROP_##id] = name,
	VH_DROP_REASONS(VH_X)
#undef VH_X
};

const char *vh_drop_name(unsigned int reason)
{
	return reason < VH_DROP_COUNT ? drop_names[reason] : NULL;
}
