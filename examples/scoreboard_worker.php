<?php // A worker's slot of a scoreboard, to copy: PHP 7.4 or later with FFI. What is stored where: docs/scoreboard-format.md.
final class Scoreboard { // without SCOREBOARD_FD and SCOREBOARD_SLOT it does nothing
    private $c = null, $word, $fd, $at = 0, $half = 448, $start = 0, $requests = 0, $busy = 0, $last = 0;
    public function __construct() {
        [$fd, $slot] = [getenv('SCOREBOARD_FD'), getenv('SCOREBOARD_SLOT')];
        if ($fd === false || $slot === false || !putenv('SCOREBOARD_FD') || !putenv('SCOREBOARD_SLOT')) return;
        try { // by FFI: fopen() takes no memfd, php://fd shares its offset, and hrtime() need not be CLOCK_MONOTONIC
            $c = FFI::cdef('long pread(int, void *, long, long), pwrite(int, char *, long, long);
                int clock_gettime(int, void *), fcntl(int, int, ...);');
            $c->pread($fd, $word = $c->new('long[5]'), 40, 0);
            [$size, $index, $magic] = [$word[2], (int) $slot - $word[3], FFI::string($word, 8)];
            if ($magic !== "SCSLOTS\n" || $word[1] !== 1 || $size < 1024 || (string) (int) $slot !== $slot || $index < 0
                || $index >= $word[4] || $c->pread($fd, $word, 1, 4095 + $word[4] * $size) !== 1
                || $c->fcntl($fd, 2, 1)) throw new Exception('no slots file that has this slot'); // F_SETFD, FD_CLOEXEC
            [$this->c, $this->word, $this->fd, $this->at, $this->half] = [$c, $word, $fd, 4096 + $index * $size, $size / 2 - 64];
            [$this->requests, $this->busy, $this->last] = [$this->get(24), $this->get(32), $this->get(48)];
        } catch (Throwable $error) { error_log("no scoreboard: descriptor $fd, slot $slot: {$error->getMessage()}"); }
    }
    private function get($at) { return $this->c && $this->c->pread($this->fd, $this->word, 8, $this->at + $at) ? $this->word[0] : 0; }
    private function put($at, ...$what) { $this->c && $this->c->pwrite($this->fd, $b = pack(...$what), strlen($b), $this->at + $at); }
    private function now() { return $this->c && !$this->c->clock_gettime(1, $this->word) ? $this->word[0] * 10**9 + $this->word[1] : 0; }
    public function set($letter) { $this->put(8, 'Q', $this->now()); $this->put(0, 'a1x7', $letter); }
    public function begin($letter) { $this->put(16, 'Q', $this->start = $this->now()); $this->set($letter); }
    public function end() {
        if ($this->start) $this->put(16, 'Q3', 0, ++$this->requests, $this->busy += $this->now() - $this->start);
        $this->start = 0; $this->set('_');
    }
    public function leave() { return $this->get(64) === 1; }
    public function text($text) {
        $text = preg_match('/\A.{0,' . ($this->half - 8) . '}(?![\x80-\xBF])/s', $text, $whole) ? $whole[0] : ''; // no half character
        $this->last = (($this->last >> 16) + 1 & (1 << 48) - 1) << 16 | strlen($text);
        $at = 128 + ($this->last >> 16 & 1) * $this->half;
        $this->put($at, 'Q', 0); $this->put($at + 8, 'a*', $text); $this->put($at, 'Q', $this->last); $this->put(48, 'Q', $this->last);
    }
}
for ($board = new Scoreboard, $board->set('_'); !$board->leave() && ($line = fgets(STDIN)) && $line !== "quit\n"; $board->end()) {
    $board->begin('W'); $board->text(rtrim($line, "\n")); // each line is a request
    if ($line !== "hold\n") echo "done\n"; else { echo "holding\n"; fgets(STDIN); } // until the next line
}
if ($board->leave()) echo "leaving\n";
