{
  "target_defaults": {
    "cflags": ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing"],
    "defines": ["NAPI_VERSION=8"],
    "configurations": { "Release": { "cflags": ["-O3", "-g"], "cflags!": ["-O2"] } }
  },
  "targets": [
    {
      "target_name": "core",
      "type": "static_library",
      "standalone_static_library": 1,
      "cflags": ["-fPIC", "-D_GNU_SOURCE"],
      "sources": ["<!@(ls core/*.c)"]
    },
    {
      "target_name": "vhost_host",
      "dependencies": ["core"],
      "sources": ["<!@(ls dpdk/*.c addon/*.c)"],
      "cflags": ["-D_GNU_SOURCE", "<!@(pkg-config --cflags libdpdk)"],
      "libraries": ["-Wl,--as-needed", "<!@(pkg-config --libs libdpdk)"]
    },
    {
      "target_name": "vh-launch",
      "type": "executable",
      "sources": ["<!@(ls launch/*.c)"]
    }
  ]
}
