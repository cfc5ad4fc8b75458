export { SessileStore, restore } from "./index.js";
export type { Answer, Backup, Device, Ended, Figures, Maintenance, SessileOptions } from "./index.js";
