{
  "variables": {
    # Compiled as one unit, switch/fastpath.c, and once per instruction set.
    "fastpath_parts": "virtq_chain.c|virtq_tx.c|virtq_rx.c|deliver_offload.c|vlan_rules.c|forward.c|fastpath.c"
  },
  "target_defaults": {
    "cflags": ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fno-strict-aliasing"],
    "defines": ["NAPI_VERSION=8"],
    "configurations": { "Release": { "cflags": ["-O3", "-g"], "cflags!": ["-O2"] } }
  },
  "targets": [
    {
      "target_name": "core",
      "type": "static_library",
      "standalone_static_library": 1,
      "cflags": ["-fPIC", "-D_GNU_SOURCE"],
      "sources": ["switch/fastpath.c", "<!@(ls base/*.c virtio/*.c virtio/memory/*.c switch/*.c | grep -vE '/(<(fastpath_parts))$')"],
      "conditions": [["target_arch=='x64'", { "cflags": ["-march=x86-64-v2"], "dependencies": ["fastpath_v3", "fastpath_v4"] }]]
    },
    {
      "target_name": "vhost_host",
      "dependencies": ["core"],
      "sources": ["<!@(ls dpdk/*/*.c addon/*.c)"],
      "cflags": ["-D_GNU_SOURCE", "<!@(pkg-config --cflags libdpdk | sed 's/-I/-isystem /g')"],
      "libraries": ["-Wl,--as-needed", "<!@(pkg-config --libs libdpdk)"],
      "conditions": [["target_arch=='x64'", { "dependencies": ["fastpath_v3", "fastpath_v4"] }]]
    },
    {
      "target_name": "vh-launch",
      "type": "executable",
      "sources": ["<!@(ls launch/*.c)"]
    },
    {
      "target_name": "vh-cuse",
      "type": "executable",
      "sources": ["<!@(ls cuse/*.c cuse/supervisor/*.c)"],
      "cflags": ["-D_GNU_SOURCE", "<!@(pkg-config --cflags fuse3 | sed 's/-I/-isystem /g')"],
      "libraries": ["<!@(pkg-config --libs fuse3)", "-pthread"]
    }
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "fastpath_v3",
          "type": "static_library",
          "cflags": ["-fPIC", "-D_GNU_SOURCE", "-march=x86-64-v3"],
          "defines": ["VH_VARIANT=v3"],
          "sources": ["switch/fastpath.c"]
        },
        {
          "target_name": "fastpath_v4",
          "type": "static_library",
          "cflags": ["-fPIC", "-D_GNU_SOURCE", "-march=x86-64-v4"],
          "defines": ["VH_VARIANT=v4"],
          "sources": ["switch/fastpath.c"]
        }
      ]
    }]
  ]
}
