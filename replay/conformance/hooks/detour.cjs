// Read by each Node process of a bridge that `replay judge` starts: what goes to the service reaches the stand-in,
// without TLS, for the stand-in has no certificate of the service's. Nothing else is changed.
"use strict";
const net = require("node:net");
const tls = require("node:tls");

const [name, where] = (process.env.REPLAY_JUDGE_DETOUR || "").split("=");
const connect = tls.connect;

tls.connect = function (...told) {
  const options = told.find((one) => one !== null && typeof one === "object") || {};
  const host = options.host || options.servername || told.find((one) => typeof one === "string");
  if (!name || host !== name) return connect.apply(this, told);
  const socket = net.connect({ host: where.slice(0, where.lastIndexOf(":")), port: Number(where.slice(where.lastIndexOf(":") + 1)) });
  socket.authorized = socket.encrypted = true;
  socket.once("connect", () => socket.emit("secureConnect"));
  const listener = told.find((one) => typeof one === "function");
  if (listener) socket.once("secureConnect", listener);
  return socket;
};
