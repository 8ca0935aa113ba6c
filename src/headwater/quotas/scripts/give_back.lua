-- Undoes grants of a window. KEYS: the window. ARGV: the token it is known by, then id and count of each signal.
-- Answers whether it was that window: one that was forgotten has nothing to undo.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
for at = 2, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[at], -ARGV[at + 1])
end
return 1
