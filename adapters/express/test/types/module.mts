// The same package as a module.
import { SessileStore, type Figures } from "connect-sessile";

const store = new SessileStore({ path: new URL("file:///srv/sessions"), durability: "written" });
const figures: Figures = await store.stats();
store.get("id", (error, found) => console.log(error, found?.cookie.expires, figures.syncs));
