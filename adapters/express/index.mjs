import sessile from "./index.js";

export const { SessileStore } = sessile;
