import sessile from "./index.js";

export const { SessileStore, restore } = sessile;
