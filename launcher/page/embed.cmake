# Writes OUT, a C++ source with page.html as one text; "@embed NAME@" in it stands for the file of that name.
file(READ ${FOLDER}/page.html html)
while(html MATCHES "@embed ([a-z_.]+)@")
  set(name "${CMAKE_MATCH_1}")
  file(READ ${FOLDER}/${name} part)
  string(REPLACE "@embed ${name}@" "${part}" html "${html}")
endwhile()
file(WRITE ${OUT} "#include \"launcher/page/server.h\"\n\nnamespace thaw {\n\nstd::string_view page_html() {\n  return R\"page(${html})page\";\n}\n\n}  // namespace thaw\n")
