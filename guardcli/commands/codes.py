"""The exit codes: one meaning each, for every command. Errors outrank findings."""

DONE = 0  # all was judged safe
FOUND = 1  # something is unsafe
USAGE = 2  # usage, taxonomy, model, or an input that cannot be opened
UNJUDGED = 3  # finished, but something could not be judged, or there was nothing to judge
BUG = 70  # an unexpected exception
INTERRUPTED = 130
READER_GONE = 141
