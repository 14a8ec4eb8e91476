# A worker's slot of a scoreboard, to copy: Ruby 3.0 or later. What is stored where: docs/scoreboard-format.md.
class Scoreboard # without SCOREBOARD_FD and SCOREBOARD_SLOT it does nothing
  def initialize
    @file, @at, @half, @start, @requests, @busy, @last = nil, 0, 448, nil, 0, 0, 0
    fd, slot = ENV.delete("SCOREBOARD_FD"), ENV.delete("SCOREBOARD_SLOT")
    return unless fd && slot
    file = File.for_fd(Integer(fd, 10), "r+b", autoclose: false)
    magic, version, size, first, count = file.pread(40, 0).unpack("a8Q4")
    index = Integer(slot, 10) - first
    good = magic == "SCSLOTS\n" && version == 1 && size >= 1024 && file.size >= 4096 + count * size
    raise ArgumentError, "no slots file that has this slot" unless good && (0...count).cover?(index)
    file.close_on_exec = true
    @file, @at, @half = file, 4096 + index * size, size / 2 - 64
    @requests, @busy, @last = get(24), get(32), get(48)
  rescue SystemCallError, IOError, ArgumentError => error
    warn "no scoreboard: descriptor #{fd}, slot #{slot}: #{error.message}"
  end
  def get(offset) = @file ? @file.pread(8, @at + offset).unpack1("Q") : 0
  def put(offset, *values, as: "Q*") = @file&.pwrite(values.pack(as), @at + offset)
  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  def set(letter) = (put(8, now); put(0, letter, as: "a1x7"))
  def begin(letter) = (put(16, @start = now); set(letter))
  def end = (@start && put(16, 0, @requests += 1, @busy += now - @start); @start = nil; set("_"))
  def leave = get(64) == 1
  def text(text)
    data = text.b[/\A.{0,#{@half - 8}}(?![\x80-\xBF])/mn] || "" # no half character at its end
    @last = ((@last >> 16) + 1 & 2**48 - 1) << 16 | data.bytesize
    buffer = 128 + (@last >> 16) % 2 * @half
    put(buffer, 0); put(buffer + 8, data, as: "a*"); put(buffer, @last); put(48, @last)
  end
end
board, $stdout.sync = Scoreboard.new, true # each line is a request; that of the line "hold" lasts until the next line
board.set("_")
until board.leave || (line = gets || "quit\n") == "quit\n"
  board.begin("W"); board.text(line.chomp)
  puts line == "hold\n" ? "holding" : "done"
  gets if line == "hold\n"
  board.end
end
puts "leaving" if board.leave
