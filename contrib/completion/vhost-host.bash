# bash completion for vhost-host. Written by `npm run reference`.

# Prints what may follow a command: its subcommands and options.
_vhost_host_words() {
  case $1 in
  '') echo 'start status ports uplinks macs stats drops logs rebalance stop vm libvirt setup check --version --help' ;;
  'start') echo '--config --run-dir --stats --foreground --help --workers --poll --hugepages --mergeable --rx-retry --rx-retry-num --rx-retry-delay --dev-basename --uplink --vlan --vlan-strip --vm2vm --zero-copy --rx-desc-num --tx-desc-num --coremask --corelist --memory-channels --socket-mem --huge-dir --allow --vdev' ;;
  'status') echo '--run-dir --json --help' ;;
  'ports') echo 'list add rm --run-dir --json --help' ;;
  'ports list') echo '--run-dir --json --help' ;;
  'ports add') echo '--socket --queues --offloads --transports --dev-index --mac --vlan --mac-limit --forward-reserved --owner --run-dir --json --help' ;;
  'ports rm') echo '--force --run-dir --json --help' ;;
  'uplinks') echo 'list add rm --run-dir --json --help' ;;
  'uplinks list') echo '--run-dir --json --help' ;;
  'uplinks add') echo '--queues --mtu --buffers --pools --unknown-unicast --forward-reserved --run-dir --json --help' ;;
  'uplinks rm') echo '--run-dir --json --help' ;;
  'macs') echo '--run-dir --json --help' ;;
  'stats') echo '--run-dir --json --help' ;;
  'drops') echo '--all --run-dir --json --help' ;;
  'logs') echo '--follow --lines --run-dir --json --help' ;;
  'rebalance') echo '--run-dir --json --help' ;;
  'stop') echo '--run-dir --json --help' ;;
  'vm') echo 'list show check attach detach forget --help' ;;
  'vm list') echo '--run-dir --json --connect --help' ;;
  'vm show') echo '--file --run-dir --json --connect --help' ;;
  'vm check') echo '--file --all --run-dir --json --connect --help' ;;
  'vm attach') echo '--file --output --mode --nic --queues --port --socket --offloads --hugepages --wrapper --yes --print-xml --print-diff --run-dir --json --connect --help' ;;
  'vm detach') echo '--file --output --yes --print-xml --print-diff --run-dir --json --connect --help' ;;
  'vm forget') echo '--run-dir --json --connect --help' ;;
  'libvirt') echo 'setup --help' ;;
  'libvirt setup') echo '--devices --dev-basename --run-dir --wrapper --emulator --package-root --root --help --apparmor --selinux --legacy --restart --no-restart --undo --leave --dry-run --yes --json' ;;
  'setup') echo '--cuse --connect --package-root --root --help --guest-memory --page-size --switch-pages --nodes --shrink --nic --nic-driver --force-nic --boot --no-boot --config --own-user --no-own-user --install --no-install --undo --leave --dry-run --yes --json' ;;
  'check') echo '--root --run-dir --json --connect --help' ;;
  esac
}

# Prints what an option of a command takes: file, directory, text, or choice and the words to choose from.
_vhost_host_value() {
  case $1 in
  'start --config') echo 'file' ;;
  'start --run-dir') echo 'directory' ;;
  'start --stats') echo 'text' ;;
  'start --workers') echo 'text' ;;
  'start --poll') echo 'choice adaptive busy' ;;
  'start --hugepages') echo 'choice auto on off' ;;
  'start --mergeable') echo 'choice 0 1' ;;
  'start --rx-retry') echo 'choice 0 1' ;;
  'start --rx-retry-num') echo 'text' ;;
  'start --rx-retry-delay') echo 'text' ;;
  'start --dev-basename') echo 'text' ;;
  'start --uplink') echo 'text' ;;
  'start --vlan') echo 'text' ;;
  'start --vlan-strip') echo 'choice 0 1' ;;
  'start --vm2vm') echo 'choice 0 1 2' ;;
  'start --zero-copy') echo 'choice 0 1' ;;
  'start --rx-desc-num') echo 'text' ;;
  'start --tx-desc-num') echo 'text' ;;
  'start --coremask' | 'start -c') echo 'text' ;;
  'start --corelist' | 'start -l') echo 'text' ;;
  'start --memory-channels' | 'start -n') echo 'text' ;;
  'start --socket-mem') echo 'text' ;;
  'start --huge-dir') echo 'directory' ;;
  'start --allow' | 'start -a') echo 'text' ;;
  'start --vdev') echo 'text' ;;
  'status --run-dir') echo 'directory' ;;
  'ports --run-dir') echo 'directory' ;;
  'ports list --run-dir') echo 'directory' ;;
  'ports add --socket') echo 'file' ;;
  'ports add --queues') echo 'text' ;;
  'ports add --transports') echo 'text' ;;
  'ports add --dev-index') echo 'text' ;;
  'ports add --mac') echo 'text' ;;
  'ports add --vlan') echo 'text' ;;
  'ports add --mac-limit') echo 'text' ;;
  'ports add --owner') echo 'text' ;;
  'ports add --run-dir') echo 'directory' ;;
  'ports rm --run-dir') echo 'directory' ;;
  'uplinks --run-dir') echo 'directory' ;;
  'uplinks list --run-dir') echo 'directory' ;;
  'uplinks add --queues') echo 'text' ;;
  'uplinks add --mtu') echo 'text' ;;
  'uplinks add --buffers') echo 'text' ;;
  'uplinks add --pools') echo 'text' ;;
  'uplinks add --unknown-unicast') echo 'choice drop flood' ;;
  'uplinks add --run-dir') echo 'directory' ;;
  'uplinks rm --run-dir') echo 'directory' ;;
  'macs --run-dir') echo 'directory' ;;
  'stats --run-dir') echo 'directory' ;;
  'drops --run-dir') echo 'directory' ;;
  'logs --lines' | 'logs -n') echo 'text' ;;
  'logs --run-dir') echo 'directory' ;;
  'rebalance --run-dir') echo 'directory' ;;
  'stop --run-dir') echo 'directory' ;;
  'vm list --run-dir') echo 'directory' ;;
  'vm list --connect') echo 'text' ;;
  'vm show --file') echo 'file' ;;
  'vm show --run-dir') echo 'directory' ;;
  'vm show --connect') echo 'text' ;;
  'vm check --file') echo 'file' ;;
  'vm check --run-dir') echo 'directory' ;;
  'vm check --connect') echo 'text' ;;
  'vm attach --file') echo 'file' ;;
  'vm attach --output') echo 'file' ;;
  'vm attach --mode') echo 'choice native wrap' ;;
  'vm attach --nic') echo 'text' ;;
  'vm attach --queues') echo 'text' ;;
  'vm attach --port') echo 'text' ;;
  'vm attach --socket') echo 'file' ;;
  'vm attach --hugepages') echo 'choice auto none 2M 1G' ;;
  'vm attach --wrapper') echo 'file' ;;
  'vm attach --run-dir') echo 'directory' ;;
  'vm attach --connect') echo 'text' ;;
  'vm detach --file') echo 'file' ;;
  'vm detach --output') echo 'file' ;;
  'vm detach --run-dir') echo 'directory' ;;
  'vm detach --connect') echo 'text' ;;
  'vm forget --run-dir') echo 'directory' ;;
  'vm forget --connect') echo 'text' ;;
  'libvirt setup --devices') echo 'text' ;;
  'libvirt setup --dev-basename') echo 'text' ;;
  'libvirt setup --run-dir') echo 'directory' ;;
  'libvirt setup --wrapper') echo 'file' ;;
  'libvirt setup --emulator') echo 'file' ;;
  'libvirt setup --package-root') echo 'directory' ;;
  'libvirt setup --root') echo 'directory' ;;
  'libvirt setup --apparmor') echo 'choice auto on off' ;;
  'libvirt setup --selinux') echo 'choice auto on off' ;;
  'libvirt setup --leave') echo 'text' ;;
  'setup --connect') echo 'text' ;;
  'setup --package-root') echo 'directory' ;;
  'setup --root') echo 'directory' ;;
  'setup --guest-memory') echo 'text' ;;
  'setup --page-size') echo 'text' ;;
  'setup --switch-pages') echo 'text' ;;
  'setup --nodes') echo 'text' ;;
  'setup --nic') echo 'text' ;;
  'setup --nic-driver') echo 'choice vfio-pci uio_pci_generic' ;;
  'setup --config') echo 'file' ;;
  'setup --leave') echo 'text' ;;
  'check --root') echo 'directory' ;;
  'check --run-dir') echo 'directory' ;;
  'check --connect') echo 'text' ;;
  esac
}

_vhost_host_takes_value() {
  case $1 in
  --config | --run-dir | --stats | --workers | --poll | --hugepages | --mergeable | --rx-retry | --rx-retry-num | --rx-retry-delay | --dev-basename | --uplink | --vlan | --vlan-strip | --vm2vm | --zero-copy | --rx-desc-num | --tx-desc-num | --coremask | -c | --corelist | -l | --memory-channels | -n | --socket-mem | --huge-dir | --allow | -a | --vdev | --socket | --queues | --transports | --dev-index | --mac | --mac-limit | --owner | --mtu | --buffers | --pools | --unknown-unicast | --lines | --connect | --file | --output | --mode | --nic | --port | --wrapper | --devices | --emulator | --package-root | --root | --apparmor | --selinux | --leave | --guest-memory | --page-size | --switch-pages | --nodes | --nic-driver) return 0 ;;
  esac
  return 1
}

_vhost_host() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' kind choices i word
  COMPREPLY=()
  # --option=value is three words for bash.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # What the words before this one have chosen: only subcommands are words of the one before them.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if _vhost_host_takes_value "$word"; then
      [[ ${COMP_WORDS[i + 1]} != = ]] || ((++i))
      ((++i))
      continue
    fi
    case " $(_vhost_host_words "${command# }") " in
    *" $word "*) [[ $word == -* ]] || command+=" $word" ;;
    esac
  done
  command=${command# }
  read -r kind choices <<<"$(_vhost_host_value "${command:+$command }$prev")"
  case $kind in
  file)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    ;;
  directory)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    ;;
  choice) mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur") ;;
  text) ;;
  *) mapfile -t COMPREPLY < <(compgen -W "$(_vhost_host_words "$command")" -- "$cur") ;;
  esac
}

complete -F _vhost_host vhost-host
