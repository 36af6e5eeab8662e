"""The web pages: what others have left in tapes, tables and records, drawn; commands leave by the processes' doors."""
