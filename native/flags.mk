# How all of our C is compiled, whatever for; binding.gyp says the same. .ci/check-native.mjs looks that all do.
WARNINGS := -Wall -Wextra -Wconversion -Werror
# Headers that are not ours are not ours to fix.
DPDK_CFLAGS = $(shell pkg-config --cflags libdpdk | sed 's/-I/-isystem /g')
DPDK_LIBS = $(shell pkg-config --libs libdpdk)
