export * from './capture/index.js';
export { DEFAULT_LINK, LinkPartner, type LinkPartnerOptions } from './link-partner.js';
export {
  DEFAULT_DRIVER,
  DRIVER_DROPS,
  type DriverDrop,
  type DriverOptions,
  NicDriver,
  type ReceiveHandler,
} from './nic-driver.js';
export * from './traffic/index.js';
