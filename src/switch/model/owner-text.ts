import * as z from 'zod';

/** In the configuration and the API: `uid:64055`, or `domain:web1` for the process of that domain of libvirt's. */
export const OwnerText = z
  .string()
  .regex(/^(uid:\d{1,9}|domain:[^/\p{Cc}]{1,200})$/u, 'must be uid:NUMBER, or domain:NAME of a domain of libvirt');
