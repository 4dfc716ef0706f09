import type { SnippetStyle } from '../boot/method.js';
import type { Need } from './names.js';

/** What somebody adds by hand where the system is built from its own configuration. */

const NIX: Readonly<Record<Need, string>> = {
  qemu: 'environment.systemPackages = [ pkgs.qemu_kvm ];',
  libvirt: 'virtualisation.libvirtd.enable = true;',
  cuse: 'boot.kernelModules = [ "cuse" ];',
  driverctl: 'environment.systemPackages = [ pkgs.driverctl ];',
};

const GUIX: Readonly<Record<Need, string>> = {
  qemu: '(packages (cons qemu %base-packages))',
  libvirt: '(service libvirt-service-type)',
  cuse: '(simple-service \'cuse kernel-module-loader-service-type \'("cuse"))',
  driverctl: '(packages (cons driverctl %base-packages))',
};

/** undefined where nothing can be added but by another image. */
export function packageSnippet(
  style: SnippetStyle,
  needs: readonly Need[],
  packages: readonly string[],
): string | undefined {
  switch (style) {
    case 'nix':
      return needs.map((need) => NIX[need]).join('\n');
    case 'guix':
      return needs.map((need) => GUIX[need]).join('\n');
    case 'bootc':
      return packages.length === 0 ? undefined : `RUN dnf install -y ${packages.join(' ')}`;
    case 'talos':
    case 'bottlerocket':
    case 'plain':
      return undefined;
  }
}
