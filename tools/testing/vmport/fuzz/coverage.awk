# SPDX-License-Identifier: GPL-2.0-only
# Lines and branches of the engine that any of several programs has reached, from
# the .gcov files of gcov -b -c.
FNR == 1 {
	file = FILENAME
	sub(/.*#/, "", file)
}
/^ *[0-9#=-]+\*?: *[0-9]+:/ {
	split($0, part, ":")
	line = part[2] + 0
	count = part[1]
	gsub(/[ *]/, "", count)
	if (!line || count == "-")
		next
	lines[file, line] = lines[file, line] || count + 0 > 0
}
/^branch / {
	name = file SUBSEP line SUBSEP $2
	branches[name] = branches[name] || ($3 == "taken" && $4 + 0 > 0)
}
END {
	for (name in lines) {
		line_count++
		lines_seen += lines[name]
	}
	for (name in branches) {
		branch_count++
		branches_seen += branches[name]
	}
	if (!line_count || !branch_count)
		exit 1
	printf "lines %.2f%% of %d, branches %.2f%% of %d\n", 100 * lines_seen / line_count,
	       line_count, 100 * branches_seen / branch_count, branch_count
}
