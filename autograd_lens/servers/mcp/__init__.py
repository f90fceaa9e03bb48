"""Recordings for assistants, by the Model Context Protocol.

``answers`` asks the rest of the package and puts what it says into ``records`` of bounded size;
``reading`` opens files, those below one folder alone; ``server`` offers the answers as tools.
Only ``server`` imports the SDK.
"""
