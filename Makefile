# placeholder; rewritten by the build owner
