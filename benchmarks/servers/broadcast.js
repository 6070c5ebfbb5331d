// What one says at /say, everybody at /hear hears.
const [, , port, where] = process.argv;
const { WebSocketServer, WebSocket } = require(where);

const listening = new Set();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: false, backlog: 2048 });
server.on("connection", (socket, request) => {
  if (request.url === "/hear") {
    listening.add(socket);
    socket.on("close", () => listening.delete(socket));
    return;
  }
  socket.on("message", (said) => {
    for (const each of listening) if (each.readyState === WebSocket.OPEN) each.send(said, { binary: false });
  });
});
