"""What is printed for other programs: completions for shells, and the pages of the manual.

programs.py    what can be typed after `lnp` and `lnpd`, from the tables that the programs run on
cases.py       the same as the lines of a `case`, which bash and zsh understand
bash.py        a completion, and so zsh.py and fish.py
roff.py        how text becomes a page that `man` shows
manual.py      which pages there are, and what each says
live.py        what the node knows, for the completions
here.py        the commands that print all this
"""
