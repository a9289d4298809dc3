"""The archive: the only place that decides between stored data and asking Omni.

Whatever it returns, Omni has shown to one of the reader's own tokens; whatever it raises says what to do next.
Callers import its modules, and say `threads.open`, `lists.open`, `evidence.open`.
"""
