from onetape.cli.later import later_command

command = later_command("up")
