# A part of native/dpdk that is tested alone, with DPDK and under sanitizers. What includes this says PART, SOURCES (its
# own) and, where it needs more of DPDK than pkg-config names, LIBS.
#   make check [RESULTS=FILE]
#   make clean
include ../../flags.mk
OUT := ../../build/test/$(PART)
RESULTS := $(OUT)/results
CFLAGS := -std=c11 -D_GNU_SOURCE $(WARNINGS) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
SOURCES += ../rig/check.c ../eal/eal.c

.PHONY: check build clean

check: build
	@$(OUT)/run $(RESULTS)

build: $(OUT)/run

$(OUT)/run: $(SOURCES) $(wildcard ../rig/*.h ../eal/*) $(CORE_HEADERS) $(DPDK_HEADERS) Makefile
	@mkdir -p $(OUT)
	$(CC) $(CFLAGS) $(DPDK_CFLAGS) $(SOURCES) -o $@ $(DPDK_LIBS) $(LIBS)

clean:
	rm -rf $(OUT)
