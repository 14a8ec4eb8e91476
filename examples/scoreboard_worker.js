// A worker's slot of a scoreboard, to copy: Node 14.6 or later. What is stored where: docs/scoreboard-format.md.
const fs = require("fs"), readline = require("readline"), now = process.hrtime.bigint;
class Scoreboard { // without SCOREBOARD_FD and SCOREBOARD_SLOT it does nothing
  #fd = -1; #at = 0; #half = 448; #start = 0n; #requests = 0n; #busy = 0n; #last = 0n;
  constructor() {
    const { env } = process, { SCOREBOARD_FD: number, SCOREBOARD_SLOT: slot } = env, fd = Number(number);
    if (!number || !slot || !delete env.SCOREBOARD_FD || !delete env.SCOREBOARD_SLOT) return;
    try {
      const header = new BigUint64Array(5);
      fs.readSync(fd, header, 0, 40, 0);
      const [version, size, first, count] = Array.from(header.subarray(1), Number), index = parseInt(slot, 10) - first;
      if (Buffer.from(header.buffer, 0, 8).toString() !== "SCSLOTS\n" || version !== 1 || !(index >= 0 && index < count)
        || size < 1024 || fs.fstatSync(fd).size < 4096 + count * size) throw new Error("no slots file that has this slot");
      [this.#fd, this.#at, this.#half] = [fd, 4096 + index * size, size / 2 - 64];
      [this.#requests, this.#busy, this.#last] = [this.#get(24), this.#get(32), this.#get(48)];
    } catch (error) { console.error(`no scoreboard: descriptor ${number}, slot ${slot}: ${error.message}`); }
  }
  #get(at, word = new BigUint64Array(1)) { if (this.#fd >= 0) fs.readSync(this.#fd, word, 0, 8, this.#at + at); return word[0]; }
  #write(at, bytes) { if (this.#fd >= 0) fs.writeSync(this.#fd, bytes, 0, bytes.byteLength, this.#at + at); }
  #put(at, ...words) { this.#write(at, BigUint64Array.from(words)); }
  set(letter) { this.#put(8, now()); this.#write(0, Buffer.from(letter.padEnd(8, "\0"))); }
  begin(letter) { this.#put(16, this.#start = now()); this.set(letter); }
  end() { if (this.#start) this.#put(16, 0n, ++this.#requests, this.#busy += now() - this.#start); this.#start = 0n; this.set("_"); }
  leave() { return this.#get(64) === 1n; }
  text(text) {
    const buffer = Buffer.alloc(this.#half - 8), bytes = buffer.subarray(0, buffer.write(text)); // whole characters only
    this.#last = BigInt.asUintN(48, (this.#last >> 16n) + 1n) << 16n | BigInt(bytes.length);
    const at = 128 + Number(this.#last >> 16n & 1n) * this.#half;
    this.#put(at, 0n); this.#write(at + 8, bytes); this.#put(at, this.#last); this.#put(48, this.#last);
  }
}
(async () => { // each line is a request; that of the line "hold" lasts until the next line
  let line, board = new Scoreboard(), lines = readline.createInterface(process.stdin)[Symbol.asyncIterator]();
  for (board.set("_"); !board.leave() && (line = (await lines.next()).value ?? "quit") !== "quit"; board.end()) {
    board.begin("W"); board.text(line); console.log(line === "hold" ? "holding" : "done");
    if (line === "hold") await lines.next();
  }
  if (board.leave()) console.log("leaving");
  process.exit();
})();
