// The store as @fastify/session takes it. `skipLibCheck` is not needed for it, nor a cast.
import fastify from "fastify";
import cookie from "@fastify/cookie";
import session from "@fastify/session";
import { SessileStore } from "connect-sessile";

declare module "fastify" {
  interface Session {
    user?: string;
  }
}

const app = fastify();
await app.register(cookie);
await app.register(session, { secret: "secret", store: new SessileStore({ path: "sessions" }), saveUninitialized: false });
app.get("/", async (request) => request.session.user ?? "nobody");
