# Which sources make up what, for the Makefiles of test/, fuzz/ and bench/; binding.gyp says the same for the addon.
NATIVE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
CORE_DIRS := $(addprefix $(NATIVE)/,base virtio virtio/memory switch)
DPDK_DIRS := $(addprefix $(NATIVE)/dpdk/,runtime uplink proxy vhost engine)
# The fast path is one unit, fastpath.c, which is compiled once more per instruction set and includes these.
FASTPATH := $(NATIVE)/switch/fastpath.c
FASTPATH_PARTS := $(addprefix $(NATIVE)/,virtio/virtq_chain.c virtio/virtq_tx.c virtio/virtq_rx.c \
	switch/deliver_offload.c switch/vlan_rules.c switch/forward.c)
# For this machine alone: every file by itself, and none for another instruction set.
CORE := $(filter-out $(FASTPATH) $(NATIVE)/switch/fastpath_select.c,$(wildcard $(CORE_DIRS:%=%/*.c)))
CORE_HEADERS := $(wildcard $(CORE_DIRS:%=%/*.h))
DPDK := $(wildcard $(DPDK_DIRS:%=%/*.c))
DPDK_HEADERS := $(wildcard $(DPDK_DIRS:%=%/*.h))
VARIANTS := $(if $(filter x86_64,$(shell uname -m)),v3 v4)
