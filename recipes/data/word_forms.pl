#!/usr/bin/env perl
# All forms of the words of a Hunspell dictionary, one a line, for evaluate.words:
#
#   recipes/data/word_forms.pl DICTIONARY.dic DICTIONARY.aff | sort -u >words.txt
#
# By its suffixes (SFX) alone, each once; both files in UTF-8. Hunspell's own unmunch compares the ends of words byte by byte, and so leaves
# out, of Russian, the reflexive verbs' forms and many others.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));

die "usage: word_forms.pl DICTIONARY.dic DICTIONARY.aff\n" unless @ARGV == 2;
my ($dictionary, $affixes) = @ARGV;

my %suffixes;    # by flag: the end that a word must have, what of it goes, what comes in its place
open my $rules, '<', $affixes or die "$affixes: $!\n";
while (<$rules>) {
  my ($kind, $flag, $goes, $comes, $end) = split;
  next unless defined $end && $kind eq 'SFX';
  push @{$suffixes{$flag}}, [qr/$end$/, map { $_ eq '0' ? '' : $_ } $goes, $comes];
}

open my $words, '<', $dictionary or die "$dictionary: $!\n";
<$words>;        # how many
while (<$words>) {
  chomp;
  my ($word, $flags) = split m{/};
  print "$word\n";
  for my $suffix (map { @{$suffixes{$_} // []} } split //, $flags // '') {
    my ($end, $goes, $comes) = @$suffix;
    print substr($word, 0, length($word) - length $goes), $comes, "\n" if $word =~ $end && $word =~ /\Q$goes\E$/;
  }
}
