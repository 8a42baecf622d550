"""The program's commands: each module has `add`, its arguments, and `execute`, what it does with them."""
